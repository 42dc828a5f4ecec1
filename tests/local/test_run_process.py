"""`resilient-run` as a process, with small commands; folders stand for W&B (run_with_folders)."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tests.local.training_process import PATIENCE, own_environment

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "scripts" / "run_with_folders.py"
# How a command saves a checkpoint, and how a Python command begins.
SAVE = "mkdir -p {0} && echo weights > {0}/weights && touch {0}/complete"
PRELUDE = """
import os, signal, subprocess, sys, time
def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
"""


@dataclass(frozen=True)
class Host:
    """One host's folders, and what runs on it."""

    home: Path

    @property
    def fakes(self) -> Path:
        return self.home / "fakes"

    @property
    def checkpoints(self) -> Path:
        return self.home / "out"

    @property
    def failure(self) -> str | None:
        file = self.home / "ml" / "output" / "failure"
        return file.read_text() if file.exists() else None

    @property
    def marks(self) -> list[str]:
        file = self.fakes / "marks"
        return file.read_text().split() if file.exists() else []

    @property
    def committed(self) -> list[str]:
        return sorted(one.name for one in (self.fakes / "committed").glob("*"))

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def is_second_of_two(self) -> None:
        config = self.home / "ml" / "input" / "config"
        config.mkdir(parents=True)
        said = {"hosts": ["algo-1", "algo-2"], "current_host": "algo-2"}
        (config / "resourceconfig.json").write_text(json.dumps(said))

    @contextmanager
    def started(
        self, *words: str, options: str = "", more: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        environment = {
            **own_environment(),
            "PYTHONPATH": f"{ROOT / 'training'}",
            "FAKES": str(self.fakes),
            "SAGEMAKER_BASE_DIR": str(self.home / "ml"),
            "RESILIENCE_STORE": "s3://bucket/team",  # several hosts need one; nothing goes there
            **(more or {}),
        }
        # A shell could start any number: the user has to say.
        known = ["--processes", "1"] if words[0] == "sh" else []
        given = [*known, *shlex.split(options)]
        arguments = ["--checkpoints", str(self.checkpoints), *given, "--", *words]
        with (
            (self.home / "log").open("wb") as log,
            subprocess.Popen(
                [sys.executable, str(SCRIPT), *arguments],
                cwd=self.home,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str, options: str = "", more: Mapping[str, str] | None = None) -> int:
        with self.started(*words, options=options, more=more) as process:
            assert process.stdout is not None
            process.stdout.read()
            return process.wait(PATIENCE)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for folder in ("ml/output", "fakes", "out"):
        (tmp_path / folder).mkdir(parents=True)
    return Host(tmp_path)


def python(text: str) -> tuple[str, str, str]:
    return sys.executable, "-c", PRELUDE + dedent(text)


def shell(*lines: str) -> tuple[str, str, str]:
    return "sh", "-c", "\n".join(lines)


def line_from(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_a_command_that_ends_well_is_committed_marked_and_0(host: Host) -> None:
    saving = [SAVE.format(host.checkpoints / f"step-{step}") for step in (1, 2)]
    assert host.run(*shell(*saving)) == 0, host.log
    assert host.committed[-1] == "step-2"
    assert host.marks == ["no", "yes"]
    assert host.failure is None
    assert (host.fakes / "closed").exists()


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ("exit 3", "exit code 3, and no error text"),
        ("kill -9 $$", "exit code -9: killed by SIGKILL: often out of memory"),
        ("echo 'ValueError: bad batch' >&2; exit 1", "ValueError: bad batch"),
    ],
)
def test_a_command_that_fails_is_1_with_its_cause_and_its_last_checkpoint(
    host: Host, line: str, failure: str
) -> None:
    assert host.run(*shell(SAVE.format(host.checkpoints / "step-1"), line)) == 1, host.log
    assert host.failure == failure
    assert host.committed == ["step-1"]
    assert host.marks == ["no"]


def test_a_command_that_cannot_be_started_is_said_to_be_none(host: Host) -> None:
    assert host.run("no-such-command") == 1
    assert host.failure == "cannot start: no-such-command: No such file or directory"
    assert host.marks == []


def test_torchelastics_error_file_is_the_cause_where_the_command_writes_one(host: Host) -> None:
    said = '{"message": {"message": "KeyError: lr", "extraInfo": {}}}'
    command = shell(f"echo '{said}' > $TORCHELASTIC_ERROR_FILE", "echo 'ValueError: x' >&2; exit 1")
    assert host.run(*command) == 1
    assert host.failure == "KeyError: lr"


def test_sigterm_goes_to_the_leader_alone_and_the_wrapper_waits_for_it(host: Host) -> None:
    command = python(f"""
        child = subprocess.Popen([sys.executable, "-c", '''if True:
            import signal, time
            signal.signal(signal.SIGTERM, lambda *_: print("the child got it", flush=True))
            time.sleep(600)'''])
        def end(*_):
            say("the leader got it")
            time.sleep(1)
            subprocess.run({SAVE.format(host.checkpoints / "step-7")!r}, shell=True, check=True)
            child.kill()
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        say("begun")
        time.sleep(600)
    """)
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.read() == b"the leader got it\n"
        assert process.wait(PATIENCE) == 143, host.log
    assert host.committed == ["step-7"]
    assert host.marks == ["no"]
    assert host.failure is None


def test_a_command_that_does_not_heed_sigterm_is_killed_and_what_it_saved_is_kept(
    host: Host,
) -> None:
    command = shell(
        "trap '' TERM", SAVE.format(host.checkpoints / "step-1"), "echo begun; sleep 99"
    )
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143, host.log
    assert host.committed == ["step-1"]
    assert "the command has not ended 3 s after SIGTERM: killed" in host.log


def test_ctrl_c_is_sigterm_for_the_command_and_twice_kills_it(host: Host) -> None:
    command = shell("trap 'echo heard' TERM", "echo begun", "while true; do sleep 0.1; done")
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        process.send_signal(signal.SIGINT)
        assert line_from(process) == "heard"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 143, host.log
    assert "killed" not in host.log


def test_sigterm_ends_in_time_though_a_commit_never_ends(host: Host) -> None:
    (host.fakes / "hangs").touch()
    command = shell(SAVE.format(host.checkpoints / "step-1"), "echo begun; exec sleep 600")
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        until((host.fakes / "snapshots" / "step-1").exists, "no snapshot")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143, host.log
    assert "the last checkpoint is NOT in W&B: there is no more time for it" in host.log


def test_sigterm_before_the_command_starts_starts_none(host: Host) -> None:
    pipe = host.fakes / "unusable"
    os.mkfifo(pipe)  # the restore waits for whoever writes
    with host.started("sh", "-c", "echo begun") as process:
        until(lambda: "SIGTERM" in _handled(process.pid), "no handler")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143, host.log
    assert host.marks == []


def _handled(pid: int) -> set[str]:
    """The names of the signals that a process has handlers for."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(
        next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16
    )
    return {each.name for each in signal.Signals if mask >> (each - 1) & 1}


ORPHANS = """
    plain = subprocess.Popen(["sleep", "600"])
    session = subprocess.Popen(["sleep", "600"], start_new_session=True)
    group = subprocess.Popen(["sleep", "600"], process_group=0)
    say(f"{os.getpid()} {plain.pid} {session.pid} {group.pid}")
"""


def test_the_orphans_of_a_killed_leader_are_gone_with_it(host: Host) -> None:
    with host.started(*python(ORPHANS + "    time.sleep(600)")) as process:
        leader, *others = (int(word) for word in line_from(process).split())
        os.kill(leader, signal.SIGKILL)
        assert process.wait(PATIENCE) == 1, host.log
        assert [pid for pid in others if is_alive(pid)] == []
    assert host.failure == "exit code -9: killed by SIGKILL: often out of memory"


def test_who_is_left_after_a_good_end_is_gone_too(host: Host) -> None:
    with host.started(*python(ORPHANS)) as process:
        _, *others = (int(word) for word in line_from(process).split())
        assert process.wait(PATIENCE) == 0, host.log
        assert [pid for pid in others if is_alive(pid)] == []


def test_a_wrapper_that_is_killed_leaves_nothing_behind(host: Host) -> None:
    with host.started(*python(ORPHANS + "    time.sleep(600)")) as process:
        pids = [int(word) for word in line_from(process).split()]
        process.kill()
        process.wait(PATIENCE)
        until(lambda: not any(is_alive(pid) for pid in pids), "an orphan trains on")


def test_a_frozen_command_is_found_by_its_silence(host: Host) -> None:
    command = shell(SAVE.format(host.checkpoints / "step-1"), "echo begun; kill -STOP $$")
    assert host.run(*command, options="--stalled-after 0.02") == 1, host.log
    assert host.failure is not None
    assert host.failure.startswith("Stalled: nothing was heard for 0.0")
    assert host.committed == ["step-1"]
    assert host.marks == ["no"]


def test_a_command_that_goes_on_talking_is_not_stalled(host: Host) -> None:
    command = python("""
        end = time.monotonic() + 7
        while time.monotonic() < end:
            os.write(1, b".")
            time.sleep(0.1)
    """)
    assert host.run(*command, options="--stalled-after 0.1") == 0, host.log


def test_output_is_handed_on_unchanged_and_at_once(host: Host) -> None:
    command = python("""
        for part in (b"10%|#   |\\r", b"\\xff\\x00 no text", b"20%|##  |\\r\\n"):
            os.write(1, part)
            while not os.path.exists("more"):
                time.sleep(0.01)
            os.unlink("more")
    """)
    with host.started(*command) as process:
        assert process.stdout is not None
        for part in (b"10%|#   |\r", b"\xff\x00 no text", b"20%|##  |\r\n"):
            assert process.stdout.read(len(part)) == part
            (host.home / "more").touch()
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 0, host.log


def test_error_output_stays_error_output(host: Host) -> None:
    assert host.run(*shell("printf 'a\\rb' >&2")) == 0
    assert "a\rb" in (host.home / "log").read_bytes().decode()


def test_a_command_goes_on_though_nobody_reads_what_it_writes(host: Host) -> None:
    command = shell("echo begun", "while [ ! -e more ]; do sleep 0.02; done", "seq 99999")
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        assert process.stdout is not None
        process.stdout.close()
        (host.home / "more").touch()
        assert process.wait(PATIENCE) == 0, host.log


def test_the_command_has_its_own_wandb_service_and_an_empty_input(host: Host) -> None:
    names = "WANDB_SERVICE", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "PYTHONUNBUFFERED", "MINE"
    command = python(f"""
        say(" ".join(os.environ.get(name, "none") for name in {names}))
        say(repr(sys.stdin.read()))
        say(str(os.getpgid(0) == os.getpid()))
    """)
    more = {"WANDB_SERVICE": "3-1-tcp-localhost-1", "MINE": "kept"}
    with host.started(*command, more=more) as process:
        assert line_from(process) == "none 60 1 kept"
        assert line_from(process) == "''"
        assert line_from(process) == "True"


def test_the_command_handles_signals_as_if_started_by_a_shell(host: Host) -> None:
    ignored = (
        "import re; print(re.search('SigIgn:\\\\s*(\\\\w+)', open('/proc/self/status').read())[1])"
    )
    with host.started("sh", "-c", f'exec {sys.executable} -S -c "{ignored}"') as process:
        # Python itself ignores SIGPIPE and SIGXFSZ; nothing else may be.
        mine = {signal.SIGPIPE, signal.SIGXFSZ}
        # What lies between the named ones belongs to the C library.
        named = sum(1 << (each - 1) for each in signal.valid_signals())
        assert int(line_from(process), 16) & named == sum(1 << (each - 1) for each in mine)


def test_what_is_restored_is_added_to_the_command_and_not_committed_again(host: Host) -> None:
    pinned = host.fakes / "pinned" / "step-5"
    pinned.mkdir(parents=True)
    (pinned / "complete").touch()
    resume = "--resume-args '--resume_from_checkpoint {folder}'"
    with host.started("echo", "train", options=resume) as process:
        folder = host.checkpoints / "step-5"
        assert line_from(process) == f"train --resume_from_checkpoint {folder}"
        assert process.wait(PATIENCE) == 0, host.log
    assert host.committed == []


def test_without_anything_restored_no_resume_argument_is_added(host: Host) -> None:
    with host.started("echo", "train", options="--resume-args '--resume {folder}'") as process:
        assert line_from(process) == "train"


def test_what_is_incomplete_is_moved_aside_before_the_command_sees_it(host: Host) -> None:
    (host.checkpoints / "step-9").mkdir()
    with host.started("ls", str(host.checkpoints)) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 0
    assert "step-9 is moved aside" in host.log


def test_a_pinned_version_that_cannot_be_restored_is_65_and_nothing_is_started(host: Host) -> None:
    (host.fakes / "unusable").write_text("a file is missing")
    with host.started("echo", "begun") as process:
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 65
    assert host.failure == "CheckpointLoadError: v3: a file is missing"


def test_a_command_that_cannot_load_what_was_restored_is_65(host: Host) -> None:
    pinned = host.fakes / "pinned" / "step-5"
    pinned.mkdir(parents=True)
    said = f"FileNotFoundError: '{host.checkpoints}/step-5/trainer_state.json'"
    assert host.run(*shell(f'echo "{said}" >&2; exit 1')) == 65
    assert host.failure == f"CheckpointLoadError: v3: {said}"


def test_an_error_after_a_checkpoint_of_its_own_is_no_fault_of_the_restored_one(host: Host) -> None:
    pinned = host.fakes / "pinned" / "step-5"
    pinned.mkdir(parents=True)
    said = f"FileNotFoundError: '{host.checkpoints}/step-5/x'"
    command = shell(SAVE.format(host.checkpoints / "step-6"), f'echo "{said}" >&2; exit 1')
    assert host.run(*command) == 1
    assert host.failure == said


def test_a_training_whose_wandb_is_away_ends_as_it_ends(host: Host) -> None:
    (host.fakes / "away").touch()
    assert host.run(*shell(SAVE.format(host.checkpoints / "step-1"))) == 0, host.log
    assert host.marks == ["no", "yes"]
    assert "checkpoint step-1 is NOT in W&B: W&B is away" in host.log


def test_a_persons_stop_ends_the_command_by_sigterm_and_is_66(host: Host) -> None:
    command = shell(
        f"trap '{SAVE.format(host.checkpoints / 'step-3')}; exit 0' TERM",
        "echo begun",
        "while true; do sleep 0.1; done",
    )
    with host.started(*command) as process:
        assert line_from(process) == "begun"
        (host.fakes / "stopped").touch()
        assert process.wait(PATIENCE) == 66, host.log
    assert host.failure == "StoppedByUser: in W&B"
    assert host.committed == ["step-3"]
    assert host.marks == ["no"]


def test_a_command_that_wandbs_own_client_interrupted_was_stopped_by_that_person(
    host: Host,
) -> None:
    command = shell(f"touch {host.fakes / 'stopped'}; echo KeyboardInterrupt >&2; exit 1")
    assert host.run(*command) == 66, host.log
    assert host.failure == "StoppedByUser: in W&B"


def test_a_host_that_only_lost_its_peer_says_so_and_marks_nothing(host: Host) -> None:
    host.is_second_of_two()
    said = (
        "[rank1]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553]"
        " Connection closed by peer [10.0.0.1]:1"
    )
    assert host.run(*shell(f"echo '{said}' >&2; exit 1")) == 1, host.log
    assert host.failure == f"PeerLost: {said.removeprefix('[rank1]: ')} (on algo-2)"
    assert host.marks == []


def test_a_host_beside_the_first_marks_no_completion(host: Host) -> None:
    host.is_second_of_two()
    assert host.run("true") == 0
    assert host.marks == []


def test_a_dry_run_says_what_would_be_done_and_starts_nothing(host: Host) -> None:
    host.is_second_of_two()
    words = ("torchrun", "--nproc_per_node=4", "train.py", "a b")
    options = "--dry-run --layout folders --resume-args '--resume {folder}'"
    with host.started(*words, options=options, more={"WANDB_RUN_ID": "mine"}) as process:
        assert process.stdout is not None
        shown = process.stdout.read().decode()
        assert process.wait(PATIENCE) == 0
    for said in (
        "folders",
        str(host.checkpoints),
        "mine-checkpoints",
        "--resume {folder}",
        "torchrun --nproc_per_node=4 train.py 'a b'",
        "8 of all hosts together",
        "algo-1, algo-2 (this is algo-2)",
    ):
        assert said in shown
    assert list(host.fakes.iterdir()) == []


def test_arguments_that_are_wrong_are_one_line_and_2(host: Host) -> None:
    assert host.run("true", options="--layout nosuch") == 2
    assert host.log.count("\n") == 1
    assert host.failure == f"UsageError: {host.log.removeprefix('resilient-run: ').strip()}"


def test_a_pin_that_names_no_version_is_65_as_of_old(host: Host) -> None:
    assert host.run("true", more={"RESILIENCE_CHECKPOINT": "nonsense"}) == 65
    assert host.failure is not None
    assert host.failure.startswith("CheckpointLoadError: nonsense: ")


def test_what_nobody_foresaw_is_1_with_its_name(host: Host) -> None:
    host.checkpoints.rmdir()
    host.checkpoints.symlink_to("loop")
    (host.home / "loop").symlink_to("out")
    assert host.run("true") == 1
    assert host.failure is not None
    assert host.failure.startswith("FileExistsError: ")
    assert host.marks == []
