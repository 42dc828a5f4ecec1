"""One world: an account, a queue, and the functions that run in it, message by message."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

import on_training_ended
from local.doubts import KNOWN, Doubts
from local.in_memory import ACCOUNT, REGION, Clock
from proofs.at_once import AtOnce
from proofs.matrix import clients, deployment
from proofs.matrix.account import BREAKER, MODE, SECRET, Account
from proofs.matrix.faults import Crash
from proofs.matrix.line import SET_BREAKER, Act, Delivery, Line, Taken
from proofs.matrix.queue import Message, Queue
from proofs.matrix.resources import Kept
from resilience.adapters.graphql import Bounds
from resilience.adapters.messages import CheckQueue, DeadLetterQueue, OneShotSchedules, Topic
from resilience.adapters.parameters import SsmSwitches, stack_switches, wandb_key
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide.breaker import Breaker
from resilience.decide.decisions import Mode
from resilience.fleet.jobs import Fleet
from resilience.fleet.sweeping import sweep
from resilience.intake import Intake
from resilience.ports import World
from resilience.wire import events
from resilience.wire.events import Hint
from resilience.wire.switches import breaker_of

NIGHT = 1_769_828_400  # 2026-01-31T03:00:00Z
_SWEEP_SECONDS = 60.0  # of its function
_WARM_SECONDS = 60  # after which the mode is read again at the latest
_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-training-ended"
_AT_ONCE = Bounds(pause_seconds=0)
_JOBS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"


@dataclass(slots=True)
class Process:
    """A warm Lambda process: what it has read it keeps for a while."""

    intake: Intake
    born: int
    needs_http: bool


class Connections:
    """The clients, made once for all worlds."""

    def __init__(self) -> None:
        self.switchboard = clients.Switchboard()
        self.clients = clients.connect(self.switchboard)
        # HTTP takes its time: where no fault can hit, it is left out.
        self.short = {
            service: clients.Short(self.switchboard, client)
            for service, client in self.clients.aws.items()
        }


@dataclass(slots=True)
class Stage:
    connections: Connections
    clock: Clock = field(default_factory=lambda: Clock(NIGHT))
    queue: Queue = field(default_factory=Queue)
    canaries: dict[str, str] = field(default_factory=dict)
    account: Account = field(init=False)
    line: Line = field(init=False)
    breaker_failures: int = 25
    doubts: Doubts = KNOWN
    _deliveries: int = 0
    _processes: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.canaries = {
            one: secrets.token_hex(20) for one in ("key", "environment", "parameter", "reason")
        }
        older_key = secrets.token_hex(20)
        self.account = Account(
            self.clock, Kept(self.canaries["key"], older_key), doubts=self.doubts
        )
        self.line = Line(self.account, self.clock)
        self.connections.switchboard.line = self.line

    # The function that judges

    def take(self, message: Message, process: str = "A") -> Delivery:
        """Have a process take one message; what it leaves undone comes again."""
        delivery = self._begin(process, self._about(message.body), message.number)
        intake = self._intake(process)
        event = {"Records": [_record(message)]}
        try:
            deployment.wired_to(intake)
            answer = on_training_ended.handler(event, _context())
        except Crash:
            self._processes.pop(process, None)
            delivery.outcome = "crashed"
        else:
            delivery.outcome = "returned" if answer["batchItemFailures"] else "acknowledged"
        if delivery.outcome == "acknowledged":
            self.queue.delete(message)
        self._note_end(delivery)
        return delivery

    def receive(self, process: str = "A") -> Delivery | None:
        message = self.queue.receive(self.clock())
        return None if message is None else self.take(message, process)

    # The sweep

    def sweep(self) -> Delivery:
        """One run of the sweep; a sweep that fails has its next run to try again."""
        delivery = self._begin("sweep", None, None)
        try:
            sweep(
                self._fleet(),
                deployment.of_sweep(self.breaker_failures),
                self._now(),
                lambda: _SWEEP_SECONDS,
            )
        except Crash:
            delivery.outcome = "crashed"
        except Exception:  # noqa: BLE001 — Lambda reports whatever a function raises
            delivery.outcome = "returned"
        else:
            delivery.outcome = "acknowledged"
        self._collect()
        self._note_end(delivery)
        return delivery

    # What people and the training do

    def act(self, what: str, job: str) -> None:
        self.line.history.append(Act(len(self.line.history), self.clock(), what, job))

    def acts(self) -> Iterator[Act]:
        return (one for one in self.line.history if isinstance(one, Act))

    def switch_off(self, what: str = "the stack", mode: str = "off") -> None:
        """A person turns the stack or one job off, or has it observed."""
        if what == "the stack":
            self.account.mode.become(mode, self.clock())
        else:
            self.account.tag(what, {"resilience:mode": mode})
        self.act("switched off", what)

    def switch_on(self) -> bool:
        """A person has everything act again; whether anything did not."""
        off = [job for job in self.account.jobs if "resilience:mode" in self.account.standing(job)]
        for job in off:
            self.account.tag(job, {"resilience:mode": "act"})
            self.act("switched on", job)
        stack = self.account.mode.now != "act"
        if stack:
            self.account.mode.become("act", self.clock())
            self.act("switched on", "the stack")
        return bool(off) or stack

    def set_breaker(self, word: str) -> None:
        """A person opens the breaker, closes it, or mistypes."""
        self.account.breaker.become(word, self.clock())
        self.act(SET_BREAKER + word, "the stack")

    @property
    def breaker(self) -> Breaker:
        text, since = self.account.breaker.now, self.account.breaker.since
        return Breaker() if text is None else breaker_of(text, since)

    def waits(self) -> Iterator[float]:
        """When the waits that stand are over, of jobs that are not switched off."""
        for name in self.account.jobs:
            tags = self.account.standing(name)
            on = {self.account.mode.now, tags.get("resilience:mode", "act")} == {"act"}
            if on and tags.get("resilience:verdict") == "WAIT":
                yield datetime.fromisoformat(tags["resilience:due"]).timestamp()

    def pass_by(self, seconds: int) -> None:
        """Let time pass; schedules that fall due send their messages."""
        self.clock.pass_by(seconds)
        for body in self.account.due():
            self.queue.send(body)

    def _fleet(self) -> Fleet:
        needs_http = any(plan.is_of_the_sweep for plan in self.line.plans)
        aws = self.connections.clients.aws if needs_http else self.connections.short
        return Fleet(
            jobs=SageMakerTrainingJobs(aws["sagemaker"], _JOBS),
            queue=CheckQueue(aws["sqs"], deployment.QUEUE_URL, ACCOUNT, REGION),
            switches=SsmSwitches(aws["ssm"], mode=MODE, breaker=BREAKER, ceiling=Mode.ACT),
            alert=Topic(aws["sns"], deployment.TOPIC_ARN),
        )

    def _collect(self) -> None:
        """What the sweep sent is on the queue."""
        bodies, self.account.asked_to_check = self.account.asked_to_check, []
        for body in bodies:
            self.queue.send(body)

    def _now(self) -> int:
        return self.clock() + self.line.skew

    def _begin(self, process: str, job: str | None, message: int | None) -> Delivery:
        self._deliveries += 1
        delivery = Delivery(self._deliveries, process, job, message, len(self.line.history))
        self.line.delivery = delivery
        return delivery

    def _about(self, body: str) -> str:
        told = events.parse(body, account=ACCOUNT, region=REGION)
        return told.job if isinstance(told, Hint) else ""

    def _note_end(self, delivery: Delivery) -> None:
        standing = dict(self.account.standing(delivery.job or ""))
        aside = len(self.account.set_aside)
        place = len(self.line.history)
        self.line.history.append(Taken(place, self.clock(), delivery, standing, aside))

    def _intake(self, process: str) -> Intake:
        found = self._processes.get(process)
        needs_http = bool(self.line.plans)
        is_cold = found is None or self.clock() - found.born >= _WARM_SECONDS
        if found is None or is_cold or found.needs_http != needs_http:
            found = Process(self._start(needs_http=needs_http), self.clock(), needs_http)
            self._processes[process] = found
        return found.intake

    def _start(self, *, needs_http: bool) -> Intake:
        """Wire the function up as its entry does."""
        own = deployment.SETTINGS
        aws = self.connections.clients.aws if needs_http else self.connections.short
        # Powertools puts a handler of its own on each client that it is given, for good; these
        # outlive many processes, so it is given their one operation alone.
        secrets_manager = SimpleNamespace(get_secret_value=aws["secretsmanager"].get_secret_value)
        key = wandb_key(secrets_manager, SECRET)
        return Intake(
            world=World(
                jobs=SageMakerTrainingJobs(aws["sagemaker"], _JOBS),
                checkpoints=WandbCheckpoints(
                    self.connections.clients.wandb, own.wandb_base_url, key, _AT_ONCE
                ),
                waits=OneShotSchedules(
                    aws["scheduler"],
                    group=own.schedule_group,
                    role_arn=own.schedule_role_arn,
                    queue_arn=own.queue_arn,
                    account=ACCOUNT,
                    region=REGION,
                    now=self._now,
                ),
                notifications=Topic(aws["sns"], own.topic_arn),
                switches=stack_switches(aws["ssm"], mode=MODE, breaker=BREAKER, ceiling=own.mode),
                now=self._now,
            ),
            dead_letters=DeadLetterQueue(aws["sqs"], own.dead_letter_url),
            settings=own,
            executor=AtOnce(),
            account=ACCOUNT,
            region=REGION,
        )


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": str(message.number),
        "receiptHandle": str(message.receives),
        "body": message.body,
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": deployment.SETTINGS.queue_arn,
        "awsRegion": REGION,
    }


def _context() -> LambdaContext:
    context = LambdaContext()
    context._invoked_function_arn = _ARN  # noqa: SLF001 — Lambda's own runtime sets it so
    return context
