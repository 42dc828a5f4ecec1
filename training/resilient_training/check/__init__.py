"""Whether a training that is broken and resumed ends as one that is not.

On the command line: `python -m resilient_training.check --help`. In a test of yours:

    def test_it_resumes_exactly() -> None:
        assert_resumes_exactly("train.py", "--epochs", "2", steps=20)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_training.check.asserting import assert_resumes_exactly

__all__ = ["assert_resumes_exactly"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("resilient_training.check.asserting"), name)
