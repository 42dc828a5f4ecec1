"""The services that adapters are held against: the local AWS, the local W&B, and moto."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from local.aws import LocalAws
from local.wandb_server import LocalWandb
from tests.adapters.local_jobs import DOUBTED, LocalJobs, prepared


@pytest.fixture(scope="session")
def local_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalJobs]:
    with LocalAws.start(tmp_path_factory.mktemp("aws"), ["--page-limit", "2"]) as aws:
        yield prepared(aws)


@pytest.fixture(scope="session")
def doubted_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalJobs]:
    options = ["--page-limit", "2", *(word for name in DOUBTED for word in ("--doubt", name))]
    with LocalAws.start(tmp_path_factory.mktemp("doubted-aws"), options) as aws:
        yield prepared(aws)


@pytest.fixture(scope="session")
def local_wandb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as server:
        yield server


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield
