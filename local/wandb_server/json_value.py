"""Values as JSON brings them: whatever their client wrote, looked at where they are used."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
