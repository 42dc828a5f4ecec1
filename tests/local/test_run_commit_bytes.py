"""How many bytes go through W&B where a store has the checkpoint; a gigabyte would be the same."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.wandb_server import LocalWandb
from tests.local.checkpoint_script import Scripts
from tests.local.counting_proxy import counting_proxy
from tests.local.stores import BUCKET, noise, versioned_bucket, written

# 32 processes: a shard and a random state of each.
FILES = {f"__{rank}_0.distcp": noise(50_000, rank) for rank in range(32)} | {
    f"rng_state_{rank}.pth": noise(100, rank) for rank in range(32)
}
MOST = 100_000


def stored_in(data: Path) -> int:
    """Bytes of all files that the server keeps, but of its database."""
    files = (path for path in data.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if not path.name.startswith("wandb.db"))


def bytes_of(server: LocalWandb, data: Path, scripts: Path, s3: Mapping[str, str], n: int) -> int:
    """What goes to W&B and back while a run begins, commits `n` checkpoints, and ends.

    Questions and answers are counted in the door, what is uploaded where it is kept: the server's
    addresses for uploads lead past the door.
    """
    script = "with run() as r: answer([commit(r) for _ in range(given['n'])])"
    before = stored_in(data)
    with counting_proxy(urlsplit(server.url).port or 0) as counted:
        environment = {**s3, "WANDB_BASE_URL": counted.url}
        made = Scripts(server, environment, scripts, f"of-{n}", f"s3://{BUCKET}/of-{n}")
        assert len(made.answers(script, n=n)[0]) == n
        return counted.sent + counted.received + stored_in(data) - before


def test_by_reference_less_than_100_kb_of_each_checkpoint_go_through_w_and_b(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "made", FILES)
    data = tmp_path / "server"
    with versioned_bucket() as s3, LocalWandb.start(data) as server:
        one, four = (bytes_of(server, data, tmp_path, s3.environment, n) for n in (1, 4))
    of_each = (four - one) // 3
    size = sum(map(len, FILES.values()))
    with capsys.disabled():
        print(f"\n{len(FILES)} files, {size:,} bytes: {of_each:,} bytes of W&B per checkpoint")  # noqa: T201 - it is what is measured
    assert 0 < of_each < MOST
