"""Bytes on disk under keys such as `artifacts/<md5>`, whole or not there at all."""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


class WrongDigestError(Exception):
    """The bytes that came are not those that were announced."""


@dataclass(frozen=True)
class Received:
    size: int
    md5: str


def hex_md5(digest: str) -> str:
    """W&B writes MD5 sums in base64, in a few places in hex; keys and columns use hex."""
    if re.fullmatch("[0-9a-f]{32}", digest):
        return digest
    return base64.b64decode(digest).hex()


def base64_md5(md5: str) -> str:
    return base64.b64encode(bytes.fromhex(md5)).decode()


class Blobs:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def path(self, key: str) -> Path:
        """Where a key's bytes are; keys come from signed addresses, and still may not climb out."""
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"not a storage key: {key}")
        return path

    def has(self, key: str) -> bool:
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def read(self, key: str) -> bytes:
        return self.path(key).read_bytes()

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    async def receive(
        self, key: str, chunks: AsyncIterable[bytes], announced: str | None
    ) -> Received:
        """Take an upload in; a client that dies half-way leaves nothing under the key."""
        arriving = self._incoming / secrets.token_hex(8)
        total = hashlib.md5(usedforsecurity=False)
        try:
            with arriving.open("wb") as file:
                async for chunk in chunks:
                    total.update(chunk)
                    file.write(chunk)
            return self._keep(arriving, key, total.hexdigest(), announced)
        finally:
            arriving.unlink(missing_ok=True)

    def join(self, key: str, part_keys: Iterable[str], announced: str | None) -> Received:
        """Make one blob of the parts of a multipart upload."""
        arriving = self._incoming / secrets.token_hex(8)
        total = hashlib.md5(usedforsecurity=False)
        try:
            with arriving.open("wb") as whole:
                for part_key in part_keys:
                    with self.path(part_key).open("rb") as part:
                        while chunk := part.read(CHUNK):
                            total.update(chunk)
                            whole.write(chunk)
            return self._keep(arriving, key, total.hexdigest(), announced)
        finally:
            arriving.unlink(missing_ok=True)

    def _keep(self, arriving: Path, key: str, md5: str, announced: str | None) -> Received:
        if announced is not None and announced != md5:
            raise WrongDigestError(f"expected MD5 {announced}, received {md5}")
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = arriving.stat().st_size
        arriving.replace(target)
        return Received(size, md5)
