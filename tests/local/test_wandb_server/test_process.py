import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb, RequestFailedError
from local.wandb_server.process import REPOSITORY
from tests.local.test_wandb_server.sdk_client import Client, exchange, wait_until

MAKE_RUN = (
    'mutation ($name: String) { upsertBucket(input: {name: $name, modelName: "p"}) { inserted } }'
)
READ_RUN = 'query { project(name: "p") { runs { edges { node { name state } } } } }'
SERVE = [sys.executable, "-m", "local.wandb_server"]


def read(address: str, **headers: str) -> tuple[int, str]:
    status, text, _ = exchange("GET", address, None, **headers)
    return status, text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_a_restart_knows_all(tmp_path: Path, number: int) -> None:
    with LocalWandb.start(tmp_path) as first:
        assert first.graphql(MAKE_RUN, name="r") == {"upsertBucket": {"inserted": True}}
        first.process.send_signal(number)
        assert first.process.wait(10) == 0
    with LocalWandb.start(tmp_path) as second:
        assert second.api_key == first.api_key
        assert second.graphql(MAKE_RUN, name="r") == {"upsertBucket": {"inserted": False}}


def test_a_killed_server_loses_nothing_it_has_answered(tmp_path: Path) -> None:
    with LocalWandb.start(tmp_path) as first:
        first.graphql(MAKE_RUN, name="r")
        first.process.kill()
    with LocalWandb.start(tmp_path) as second:
        edges = second.graphql(READ_RUN)["project"]["runs"]["edges"]
        assert [edge["node"]["name"] for edge in edges] == ["r"]


def test_the_key_it_makes_is_for_its_owner_alone(server: LocalWandb, tmp_path: Path) -> None:
    with LocalWandb.start(tmp_path) as fresh:
        assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600
        assert len(fresh.api_key) >= 40
        assert fresh.api_key != server.api_key


def test_it_takes_its_key_from_a_file(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("a-key-of-our-own" * 3)
    with LocalWandb.start(tmp_path / "data", "--api-key-file", str(key_file)) as server:
        assert server.graphql("{ viewer { entity } }") == {"viewer": {"entity": "local"}}
        assert not (tmp_path / "data" / "api-key").exists()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    parent = f"""
import sys, time
from pathlib import Path
from local.wandb_server import LocalWandb
server = LocalWandb.start(Path({str(tmp_path)!r}))
print(server.process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        server = int(process.stdout.readline())
        os.kill(server, 0)
        process.kill()
    wait_until(lambda: not is_alive(server))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*SERVE, "--data", str(tmp_path), "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("wandb server: ")
    assert ended.stderr.count("\n") == 1


def test_a_data_directory_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with LocalWandb.start(tmp_path):
        command = [*SERVE, "--data", str(tmp_path)]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"wandb server: {tmp_path} is in use by another server\n"


def test_a_run_keeps_its_files_below_its_own_directory(server: LocalWandb, project: str) -> None:
    make = """
    mutation ($p: String!) {
      upsertBucket(input: {name: "r", modelName: $p}) { inserted }
      createRunFiles(input: {projectName: $p, runName: "r", files: ["a/../../x"]}) { runID }
    }
    """
    with pytest.raises(RequestFailedError, match="not below the run's directory"):
        server.graphql(make, p=project)


def test_a_foreign_host_name_is_refused(server: LocalWandb) -> None:
    status, _ = read(server.url, Host="evil.example")
    assert status == 403


def test_storage_opens_only_to_the_address_that_was_signed(
    server: LocalWandb, project: str
) -> None:
    make = """
    mutation ($p: String!) {
      upsertBucket(input: {name: "r", modelName: $p}) { inserted }
      createRunFiles(input: {projectName: $p, runName: "r", files: ["a.txt"]}) {
        files { uploadUrl }
      }
    }
    """
    files = server.graphql(make, p=project)["createRunFiles"]["files"]
    address = files[0]["uploadUrl"]
    assert exchange("PUT", address, b"text")[0] == 200
    assert read(address)[0] == 403
    assert read(address.partition("?")[0])[0] == 403
    assert read(address.replace("a.txt", "../../../api-key"))[0] in {403, 404}
    key, _, query = address.partition("?")
    expired = f"{key}?{query.replace(query.partition('&')[0], 'expires=1')}"
    assert read(expired)[0] == 403


def test_pages_show_runs_and_take_nothing_for_html(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    run = wandb.init(project=given["project"], name="<script>alert(1)</script>", tags=["<b>"])
    for step in range(20):
        run.log({"loss <i>": 1 / (step + 1)})
    artifact = wandb.Artifact("c", "model", metadata={"step": 1234, "note": "<u>"})
    with artifact.new_file("model.ckpt") as file:
        file.write("weights")
    run.log_artifact(artifact, aliases=["best"]).wait()
    run.finish()
    answer(run.url)
    """
    address = client.ask(script, project=project)
    status, page = read(address)
    assert status == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for made_up in ("<script", "<b>", "<i>", "<u>"):
        assert made_up not in page
    for shown in ("finished", "c:v0", "COMMITTED", "best", "latest", "1234", "<polyline"):
        assert shown in page
    status, home = read(server.url)
    assert status == 200
    assert address.removeprefix(server.url) in home
    assert read(address + "x")[0] == 404
