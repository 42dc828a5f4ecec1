"""The API key and the secret that signs addresses, kept where only their owner can read them."""

import os
import secrets
from pathlib import Path

SHORTEST = 40


class UnusableKeyError(ValueError):
    """The key file holds nothing the SDK would accept."""


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _read_or_make(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(20))
    return path.read_text().strip()


def load_api_key(data: Path, key_file: Path | None) -> str:
    """The key in `key_file`, else in the data directory, where one is made on the first start."""
    key = key_file.read_text().strip() if key_file else _read_or_make(data / "api-key")
    if len(key) < SHORTEST:
        raise UnusableKeyError(
            f"{key_file or data / 'api-key'}: a key has {SHORTEST} characters or more"
        )
    return key


def load_signing_secret(data: Path) -> bytes:
    return _read_or_make(data / "signing-key").encode()
