"""Every port of `make local`: on loopback alone, and deaf to the pages of the web."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack import LAMBDA, LocalStack, local_stack
from tests.local.raw_requests import ask

LISTENING = "0A"
LOOPBACK = "0100007F"
PAGE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

pytestmark = pytest.mark.skipif(not LAMBDA.is_dir(), reason="make build-local has not run")


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an older version left it: readable by all, with a job that nobody knows."""
    data = tmp_path_factory.mktemp("stack")
    left = data / "aws" / "training-jobs" / "of-an-earlier-run"
    left.mkdir(parents=True)
    (left / "model.ckpt").write_bytes(bytes(2_000_000))
    (data / "wandb").mkdir()
    return data


@pytest.fixture(scope="module")
def stack(folder: Path, said: list[str]) -> Iterator[LocalStack]:
    with local_stack(folder, said.append) as running:
        yield running


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    threads = Path(f"/proc/{pid}/task").glob("*/children") if children.exists() else []
    below = [int(child) for file in threads for child in file.read_text().split()]
    return [pid, *(one for child in below for one in family(child))]


def sockets(pid: int) -> set[str]:
    links = (
        str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()
    )
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def listening(stack: LocalStack) -> dict[int, str]:
    """Address by port, in the hexadecimal of the kernel, of all that the stack listens on."""
    servers = (stack.aws.process.pid, stack.wandb.process.pid)
    own = {inode for server in servers for pid in family(server) for inode in sockets(pid)}
    table = "\n".join(Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6", "udp"))
    rows = [line.split() for line in table.splitlines() if ": " in line]
    return {
        int(row[1].split(":")[1], 16): row[1].split(":")[0]
        for row in rows
        if row[3] in {LISTENING, "07"} and row[9] in own
    }


def test_every_port_is_on_loopback_and_serves_no_page(stack: LocalStack) -> None:
    sweep = stack.resource("Sweep")
    stack.client("lambda").invoke(FunctionName=sweep, Payload=json.dumps({}))
    ports = listening(stack)
    # AWS, W&B, and the Runtime API of each function that has run.
    assert len(ports) >= 3
    assert set(ports.values()) == {LOOPBACK}
    for port in ports:
        for method in ("GET", "POST", "OPTIONS"):
            try:
                answer = ask(f"http://127.0.0.1:{port}/", method, PAGE, "{}", seconds=1)
            except TimeoutError:
                continue  # a Runtime API between two invocations: nobody reads
            assert (answer.status, answer.lets_pages_read) == (403, False)


def test_what_an_earlier_run_left_is_gone_and_said(
    stack: LocalStack, folder: Path, said: list[str]
) -> None:
    assert any(
        "removed the folders of 1 training jobs of an earlier run, 2.0 MB" in s for s in said
    )
    assert not (folder / "aws" / "training-jobs" / "of-an-earlier-run").exists()
    assert stack.wandb.graphql("{ viewer { entity } }") == {"viewer": {"entity": "local"}}


def test_its_folders_are_their_owners_alone(stack: LocalStack, folder: Path) -> None:
    assert stack.environment()["AWS_SECRET_ACCESS_KEY"] not in ("", "test")
    for name in ("aws", "wandb"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700
    for secret in ("aws/credentials", "wandb/api-key", "wandb/signing-key"):
        assert stat.S_IMODE((folder / secret).stat().st_mode) == 0o600
