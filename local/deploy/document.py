"""The one type of what a template or a service's answer holds."""

from typing import Any

# Text, number, truth, list or mapping, nested at will; each function says what it takes of it.
Document = Any
