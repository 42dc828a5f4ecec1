"""What a reader is."""

from collections.abc import Callable
from typing import Any

from local.deploy.access import Access
from local.deploy.wanted import Resource

Reader = Callable[[Access, Resource], dict[str, Any]]
