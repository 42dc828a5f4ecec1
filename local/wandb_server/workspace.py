from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from local.wandb_server.signing import READ, WRITE, Signer
from local.wandb_server.store.blobs import Blobs
from local.wandb_server.store.database import Database


@dataclass(frozen=True)
class Workspace:
    """All that answering a request needs: the store, the clock, and who we are."""

    database: Database
    blobs: Blobs
    signer: Signer
    clock: Callable[[], float]
    entities: tuple[str, ...]
    silent_after: float

    @property
    def default_entity(self) -> str:
        return self.entities[0]

    @property
    def base_url(self) -> str:
        return self.signer.base_url

    @property
    def port(self) -> int:
        return urlsplit(self.base_url).port or 0

    def read_address(self, key: str) -> str:
        return self.signer.address(key, READ, self.clock())

    def write_address(self, key: str) -> str:
        return self.signer.address(key, WRITE, self.clock())
