"""One server for all tests here."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.test_wandb_server.sdk_client import Client, keep_warm


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb-server")) as running:
        yield running


@pytest.fixture(autouse=True)
def _faults_end_with_the_test(server: LocalWandb) -> Iterator[None]:
    yield
    server.clear_faults()


@pytest.fixture(scope="session")
def warm_sdk(
    server: LocalWandb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    with keep_warm(server, tmp_path_factory.mktemp("sdk")) as process:
        yield process


@pytest.fixture
def client(server: LocalWandb, tmp_path: Path, warm_sdk: subprocess.Popen[str]) -> Client:
    return Client(server, tmp_path, warm_sdk)


@pytest.fixture
def project() -> str:
    """A project that no other test uses."""
    return f"project-{uuid.uuid4().hex[:8]}"
