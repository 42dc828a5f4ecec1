"""The root user's credentials, kept in the two files that every AWS tool reads."""

import configparser
import secrets
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str

    @classmethod
    def fresh(cls, endpoint: str, region: str) -> "Credentials":
        """A root user of this run's own, whom nobody can guess."""
        key = f"LKIA{secrets.token_hex(8).upper()}"
        return cls(endpoint, key, secrets.token_urlsafe(30), region)

    def write(self, folder: Path) -> None:
        secret = folder / "credentials"
        secret.touch(mode=0o600)
        secret.chmod(0o600)
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        place = {"region": self.region, "endpoint_url": self.endpoint}
        for file, content in ((secret, keys), (folder / "config", place)):
            document = configparser.RawConfigParser()
            document["default"] = content
            with file.open("w", encoding="utf-8") as stream:
                document.write(stream)

    @classmethod
    def read(cls, folder: Path) -> "Credentials":
        document = configparser.RawConfigParser()
        document.read([folder / "credentials", folder / "config"], encoding="utf-8")
        found = document["default"]
        return cls(
            found["endpoint_url"],
            found["aws_access_key_id"],
            found["aws_secret_access_key"],
            found["region"],
        )
