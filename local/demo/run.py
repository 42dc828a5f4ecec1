"""One run of the demo: launch, break, watch, and judge whether the lineage really came back."""

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local.aws.sagemaker.ends import INTERNAL
from local.demo.browser import press
from local.demo.lineage import Attempt, Observer
from local.demo.scenarios import Blow, Scenario
from local.demo.story import Story
from local.stack import ENTITY, REPOSITORY, SWEEP, LocalStack

TRAINING = REPOSITORY / "training"
SCRIPTS = Path(__file__).parent / "scripts"
ROOT, PROJECT = "digits", "resilient-digits"
PATIENCE_SECONDS = 480.0
_POLL_SECONDS = 0.5
_SWEEP_SECONDS = 3
# Small enough to end soon, slow enough to be broken while checkpoints are committed.
_HYPERPARAMETERS = {
    "epochs": "4",
    "checkpoint-every-n-steps": "10",
    "checkpoint-every-minutes": "0",
    "seconds-per-step": "0.2",
}
_MID_EPOCH_SECONDS = 0.6
_NO_END = 1_000
_REASON_SHOWN = 120
# How Python names what a script died of, at the end of its traceback.
_RAISED = re.compile(r"[A-Za-z_.]*(Error|Exception): ")
# What `resilient-run` says of checkpoints and of the end.
_BY_WRAPPER = tuple(
    f"resilient-run: {words}"
    for words in (
        *("checkpoint ", "restored ", "resuming from", "the command has ended"),
        *("PeerLost:", "Stalled:"),
    )
)


class DemoError(Exception):
    """The demo could not go on; the message says why."""


@dataclass(slots=True)
class Run:
    """Everything that one run of the demo holds on to."""

    stack: LocalStack
    scenario: Scenario
    story: Story
    directory: Path
    patience: float = PATIENCE_SECONDS
    attempts: dict[str, Attempt] = field(default_factory=dict)
    broken: bool = False
    next_sweep: float = 0.0
    mend_at: float = math.inf
    told: set[tuple[str, str]] = field(default_factory=set)

    def play(self, observer: Observer) -> None:
        """Launch the job, break it as the scenario says, and watch until the lineage has ended."""
        if self.scenario.blow is Blow.BEFORE:
            self.stack.aws.fault(self.scenario.fault, ROOT, count=1)
            self._tell("break", f"ordered for the next job: {self.scenario.fault}")
        self._launch()
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            self._look(observer)
            self._break_if_time()
            self._mend_if_time()
            self._sweep_if_time()
            if self._is_over():
                return
            time.sleep(_POLL_SECONDS)
        raise DemoError(f"the lineage has not ended after {self.patience:.0f} s")

    def _tell(self, who: str, text: str) -> None:
        """Say a thing once."""
        if (who, text) not in self.told:
            self.told.add((who, text))
            self.story.say(who, text)

    def _launch(self) -> None:
        """Launch by the command that a user would type."""
        options = [
            *("--name", ROOT, "--entity", ENTITY, "--project", PROJECT),
            *("--base-url", self.stack.wandb.url, "--source", str(self._source())),
            *self.scenario.launch,
        ]
        if self.scenario.command:
            command = self.scenario.command.replace("{port}", str(_free_port()))
            options += ["--command", command]
            self._tell("launch", f"--command '{command}'")
        for name, value in self._hyperparameters().items():
            options += ["--hyperparameter", f"{name}={value}"]
        environment = {**os.environ, **self.stack.environment()}
        ended = subprocess.run(
            [sys.executable, str(TRAINING / "launch.py"), *options],
            env=environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise DemoError(f"training/launch.py: {ended.stderr.strip() or ended.stdout.strip()}")
        for line in ("execution role, secret and bucket are there", *ended.stdout.splitlines()):
            self._tell("launch", line)

    def _hyperparameters(self) -> dict[str, str]:
        of_train = {} if self.scenario.command else _HYPERPARAMETERS
        return {**of_train, **self.scenario.hyperparameters}

    def _source(self) -> Path:
        """Return the job's source: training/, a copy whose train.py is wrapped, or one script."""
        if not self.scenario.script:
            return TRAINING
        folder = self.directory / "source"
        if self.scenario.command:
            folder.mkdir()
            shutil.copy(SCRIPTS / self.scenario.script, folder)
            return folder
        shutil.copytree(TRAINING, folder, ignore=shutil.ignore_patterns("__pycache__", "outputs"))
        (folder / "train.py").rename(folder / "train_original.py")
        shutil.copy(SCRIPTS / self.scenario.script, folder / "train.py")
        return folder

    def _look(self, observer: Observer) -> None:
        for name in observer.names():
            attempt = self.attempts.setdefault(name, Attempt(name))
            if attempt.is_over and attempt.verdict not in {"", "WAIT"}:
                continue
            observer.look(attempt)
            for who, text in news_of(attempt):
                self._tell(who, text)

    def _break_if_time(self) -> None:
        root = self.attempts.get(ROOT)
        if self.broken or root is None or self.scenario.blow in {Blow.BEFORE, Blow.NONE}:
            return
        if not _is_ripe(root, self.scenario):
            return
        self.broken = True
        time.sleep(_MID_EPOCH_SECONDS)
        for fault in self.scenario.also:
            self.stack.aws.fault(fault, ROOT)
        if self.scenario.no_start_seconds:
            self.stack.aws.fault("capacity", f"{ROOT}-r*", count=_NO_END, reason=INTERNAL)
            self.mend_at = time.monotonic() + self.scenario.no_start_seconds
        if self.scenario.wandb_down:
            self.stack.wandb.fault("unavailable")
            self._tell("break", "W&B answers 503 from now on")
        self._tell("break", self.scenario.says)
        self._break()

    def _break(self) -> None:
        match self.scenario.blow:
            case Blow.STOP:
                self.stack.client("sagemaker").stop_training_job(TrainingJobName=ROOT)
            case Blow.WANDB_STOP:
                press(f"{self.stack.wandb.url}/{ENTITY}/{PROJECT}/runs/{ROOT}", "Stop run")
            case _:
                host = {"host": self.scenario.host} if self.scenario.host else {}
                self.stack.aws.fault(self.scenario.fault, ROOT, **host)

    def _mend_if_time(self) -> None:
        """End an incident after its time, and an outage of W&B once the controller has met it."""
        if time.monotonic() > self.mend_at:
            self.mend_at = math.inf
            self.stack.aws.clear_faults()
            self._tell("stack", "the incident is over: starts succeed again")
        root = self.attempts.get(ROOT)
        if self.scenario.wandb_down and root is not None and root.verdict == "WAIT":
            self.stack.wandb.clear_faults()
            self._tell("stack", "W&B answers again")

    def _sweep_if_time(self) -> None:
        """Do what the sweep's schedule does every few minutes, where an event was lost."""
        root = self.attempts.get(ROOT)
        if "drop_events" not in self.scenario.also or root is None:
            return
        if root.is_over and not root.verdict and time.monotonic() > self.next_sweep:
            self.next_sweep = time.monotonic() + _SWEEP_SECONDS
            self._tell("stack", "no event comes; the sweep looks, as it does every few minutes")
            self.stack.client("lambda").invoke(
                FunctionName=self.stack.resource(SWEEP), Payload=b"{}"
            )

    def _is_over(self) -> bool:
        """Whether the lineage's last job has a verdict after which nothing follows."""
        last = list(self.attempts.values())[-1:]
        return all(one.verdict in {"STOP", "IGNORE"} for one in last) and bool(last)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def news_of(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """What there is to tell of an attempt; whoever tells it drops what was told before."""
    status = f"{attempt.name}: {attempt.status} / {attempt.secondary_status}"
    reason = " ".join(str(attempt.described.get("FailureReason") or "").split())[:_REASON_SHOWN]
    yield "job", f"{status}  {reason}".rstrip()
    several = len(attempt.hosts) > 1
    for host, line in attempt.said:
        if told := _worth_telling(line):
            yield "train", f"{attempt.name}{f' on {host}' * several}: {told}"
    if attempt.verdict:
        due = attempt.tags.get("resilience:due", "") if attempt.verdict == "WAIT" else ""
        words = (attempt.verdict, attempt.reason, due, attempt.successor)
        yield "verdict", f"{attempt.name}: " + " ".join(word for word in words if word)


def _worth_telling(line: str) -> str:
    """What the script itself logs, and what it raised; the libraries' lines stay in the log."""
    _, _, text = line.partition(" INFO ")
    marks = (
        *("checkpoint v", "resuming", "training from", "epoch ", "model saved", "SIGTERM", "W&B"),
        *("a person stopped", "stopped by a person"),
    )
    if _RAISED.match(line) or line.startswith("weights "):
        return line[:_REASON_SHOWN]
    if line.startswith(_BY_WRAPPER):
        return line[:_REASON_SHOWN]
    return text if text.startswith(marks) else ""


def _is_ripe(root: Attempt, scenario: Scenario) -> bool:
    if root.secondary_status != "Training":
        return False
    if scenario.script == "poison.py":
        return root.poisoned
    return any(step >= scenario.after_step for _, step in root.checkpoints)
