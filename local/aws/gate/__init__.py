"""Before anything of the local AWS: no browser's request, and none without a key of this run."""

from local.aws.gate.application import Gate
from local.aws.gate.keys import Keys

__all__ = ["Gate", "Keys"]
