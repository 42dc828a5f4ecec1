"""A seal: shows a job which checkpoints it made itself, before its container was restarted.

The token in a job's Environment is a secret of that one job. Whoever can log versions in W&B, write
to the folder of checkpoints in S3 or tag the job can claim its name, and cannot make its seal.
"""

from __future__ import annotations

import hashlib
import hmac
import json


def seal_of(token: str, job: str, step: int, sha256: str) -> str:
    """The seal of the job on a file of this sha256 and step, as hex."""
    text = json.dumps(["checkpoint", job, step, sha256])
    return hmac.new(token.encode(), text.encode(), "sha256").hexdigest()


def seal_of_message(token: str, job: str, name: str, content: bytes) -> str:
    """The seal of the job on what one of its hosts writes to the others under a name, as hex."""
    text = json.dumps(["message", job, name, hashlib.sha256(content).hexdigest()])
    return hmac.new(token.encode(), text.encode(), "sha256").hexdigest()


def is_sealed(seal: str, token: str, job: str, step: int, sha256: str) -> bool:
    return seal.isascii() and hmac.compare_digest(seal, seal_of(token, job, step, sha256))
