"""Nothing that a job started outlives the job, nor the server, however the server ends."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.aws import REPOSITORY, LocalAws
from local.aws.sagemaker.command import Command
from local.aws.sagemaker.containers import ALONE, WORLDS, Container, world
from local.aws.sagemaker.inbox import Exited
from local.isolation import Isolation, Mount, Placement
from tests.local.local_sagemaker_driver import PATIENCE, Driver, alive, sagemaker_in, ticks

GRANTED = WORLDS[WORLDS.index(world().isolation) :]
TREE = "sleep 600 & setsid sleep 600 & echo up; sleep 600"


class Starter:
    def __init__(self, root: Path, isolation: Isolation) -> None:
        self.root, self.isolation = root, isolation
        self.containers: list[Container] = []

    def __call__(self, *argv: str, placement: Placement = ALONE) -> Container:
        command = Command(list(argv), {"PATH": os.defpath}, str(self.root), toolkit=False)
        isolation = replace(self.isolation, uts=bool(placement.hostname))
        container = Container(command, self.root, isolation, placement)
        self.containers.append(container)
        return container


@pytest.fixture(params=GRANTED, ids=str)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    """Every degree of isolation that this kernel grants, down to none."""
    degree: Isolation = request.param
    return degree


@pytest.fixture
def started(tmp_path: Path, isolation: Isolation) -> Iterator[Starter]:
    starter = Starter(tmp_path, isolation)
    yield starter
    for container in starter.containers:
        container.let_go()
        container.join(PATIENCE)
        container.close()


def said(container: Container) -> str:
    assert select.select([container.output], [], [], PATIENCE)[0], "it says nothing"
    return os.read(container.output, 1000).decode()


def test_the_exit_code_is_the_main_processs(started: Starter) -> None:
    assert started("sh", "-c", "exit 9").wait() == Exited(9)


def test_a_request_to_end_reaches_the_main_process_however_early(started: Starter) -> None:
    container = started("sleep", "600")
    container.ask()
    assert container.wait() == Exited(143)


def test_the_main_process_may_end_in_its_own_way(started: Starter) -> None:
    container = started("sh", "-c", "trap 'exit 5' TERM; echo up; sleep 600 & wait")
    assert said(container) == "up\n"
    container.ask()
    assert container.wait() == Exited(5)


def test_a_request_to_all_reaches_a_child_in_a_session_of_its_own(started: Starter) -> None:
    child = "trap 'echo child' TERM; echo up; sleep 600 & wait"
    container = started("sh", "-c", 'trap : TERM; setsid sh -c "$0" & wait; wait', child)
    assert said(container) == "up\n"
    container.ask_all()
    assert said(container) == "child\n"


def test_a_kill_ends_every_process(started: Starter) -> None:
    container = started("sh", "-c", TREE)
    assert said(container) == "up\n"
    container.kill()
    assert container.wait() == Exited(137)


def test_the_output_ends_with_the_container_even_if_orphans_hold_it(started: Starter) -> None:
    container = started("sh", "-c", "setsid sleep 600 & echo up")
    assert container.wait() == Exited(0)
    assert said(container) == "up\n"
    assert said(container) == ""


COUNTING = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05 & wait; done"


def test_a_frozen_container_stands_still_until_it_is_thawed(started: Starter) -> None:
    container = started("sh", "-c", COUNTING)
    assert said(container)
    container.freeze()
    assert any(is_quiet(container) for _ in ticks()), "it still counts"
    container.thaw()
    assert said(container)


def is_quiet(container: Container) -> bool:
    """Whether it says nothing for a second; what it says before is read."""
    return not (select.select([container.output], [], [], 1)[0] and os.read(container.output, 1000))


def test_a_frozen_container_is_killed_all_the_same(started: Starter) -> None:
    container = started("sh", "-c", TREE)
    assert said(container) == "up\n"
    container.freeze()
    container.ask()
    container.kill()
    assert container.wait() == Exited(137)


def test_a_container_has_the_name_and_the_files_of_its_placement(
    started: Starter, tmp_path: Path
) -> None:
    if not started.isolation.mount:
        pytest.skip("this degree of isolation has no mounts")
    (tmp_path / "names").write_text("127.0.0.7 somebody\n")
    mounts = (Mount(str(tmp_path / "names"), "/etc/hosts"),)
    script = "hostname; cat /etc/hosts; ls -d /opt/ml/names"
    container = started("sh", "-c", script, placement=Placement("algo-7", mounts))
    assert container.wait() == Exited(0)
    assert said(container) == "algo-7\n127.0.0.7 somebody\n/opt/ml/names\n"
    assert socket.gethostname() != "algo-7"


def test_a_lost_server_takes_the_container_along(started: Starter) -> None:
    container = started("sh", "-c", TREE)
    assert said(container) == "up\n"
    container.let_go()
    assert container.wait() == Exited(137)


def busy(driver: Driver) -> list[int]:
    """Start a job with a tree of processes, and return them with those that keep them."""
    driver.start("busy", TREE)
    driver.until_said("busy", "up")
    pids: list[int] = driver.overview("busy")["pids"]
    assert len(pids) >= 3
    return pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_jobs_end_with_the_server(tmp_path: Path, number: signal.Signals) -> None:
    with sagemaker_in(tmp_path) as driver:
        pids = busy(driver)
        driver.aws.process.send_signal(number)
        driver.aws.process.wait(10)
        if number == signal.SIGKILL:  # then its supervisors clear up, in a moment of their own
            for _ in ticks():
                if not alive(pids):
                    break
        assert not alive(pids)


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local.aws import LocalAws;"
        "aws = LocalAws.start(Path(sys.argv[1])); print(aws.process.pid, flush=True);"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert alive([server])
        parent.kill()
    for _ in ticks():
        if not alive([server]):
            break
    assert not alive([server])


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "local.aws", "--port", port, "--data", str(tmp_path)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; try --port 0\n"
    )


def test_the_credentials_on_disk_are_the_owners_alone(tmp_path: Path) -> None:
    with LocalAws.start(tmp_path) as aws:
        assert (tmp_path / "credentials").stat().st_mode & 0o077 == 0
        assert aws.secret_key in (tmp_path / "credentials").read_text()
