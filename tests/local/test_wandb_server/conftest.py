"""One server for all tests here."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.test_wandb_server.sdk_client import Client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb-server")) as running:
        yield running


@pytest.fixture(autouse=True)
def _faults_end_with_the_test(server: LocalWandb) -> Iterator[None]:
    yield
    server.clear_faults()


@pytest.fixture
def client(server: LocalWandb, tmp_path: Path) -> Client:
    return Client(server, tmp_path)


@pytest.fixture
def project() -> str:
    """A project that no other test uses."""
    return f"project-{uuid.uuid4().hex[:8]}"
