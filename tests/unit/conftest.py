"""Properties are the same on every machine: the same examples, and no clock that could fail one."""

from hypothesis import settings

settings.register_profile("resilience", deadline=None, derandomize=True, database=None)
settings.load_profile("resilience")
