"""Signed addresses, as with S3: whoever holds one may read or write one key for a while."""

import hmac
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

READ, WRITE = "GET", "PUT"
LIFETIME = 24 * 3600


@dataclass(frozen=True)
class Signer:
    base_url: str
    secret: bytes = field(repr=False)

    def address(self, key: str, method: str, now: float) -> str:
        expires = int(now) + LIFETIME
        query = urlencode({"expires": expires, "signature": self._signature(key, method, expires)})
        return f"{self.base_url}/_storage/{quote(key)}?{query}"

    def allows(self, key: str, method: str, expires: str, signature: str, now: float) -> bool:
        if not expires.isdecimal() or int(expires) < now:
            return False
        expected = self._signature(key, method, int(expires))
        return hmac.compare_digest(expected.encode(), signature.encode())

    def token(self, purpose: str) -> str:
        """What nobody can know who has not been given it by a page of ours."""
        return hmac.new(self.secret, f"token\n{purpose}".encode(), "sha256").hexdigest()

    def _signature(self, key: str, method: str, expires: int) -> str:
        message = f"{method}\n{key}\n{expires}".encode()
        return hmac.new(self.secret, message, "sha256").hexdigest()
