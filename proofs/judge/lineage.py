"""One lineage in the world: its jobs live and end there, and its versions are in W&B."""

from local.in_memory import InMemoryWorld
from proofs.judge import rates, requests
from proofs.judge.attempt import Life, Save
from proofs.judge.chance import Chance
from proofs.judge.life import Lives
from proofs.judge.record import Line, Record
from proofs.judge.truth import Case
from proofs.judge.week import FOR_EVER, Window, overlap
from proofs.judge.wording import Wording
from resilience.decide.decisions import Checkpoint
from resilience.relaunch import Request
from resilience.wire import environment, tags

_ENDED = {
    "finished": ("Completed", "Completed"),
    "time_limit": ("Stopped", "MaxRuntimeExceeded"),
    "max_wait": ("Stopped", "MaxWaitTimeExceeded"),
    "interrupted": ("Stopped", "Interrupted"),
    "stopped": ("Stopped", "Stopped"),
}
_FAILED = ("Failed", "Failed")
_SAYS = {
    "incident_running": "incident",
    "never_starts": "incident",
    "capacity_lost": "capacity",
    "flaky": "bug",
    "poison": "bug",
}
# A program that fails in the same way says the same each time.
_SAME_EACH_TIME = frozenset({"bug", "flaky", "poison", "nan", "memory", "disk", "refused"})
# Issue 9: a late upload is waited for, 90 s at most. What is committed later is told apart.
_WORTH_A_WAIT, _TOO_LATE = 90, 600


class Lineage:
    def __init__(self, case: Case, world: InMemoryWorld, wording: Wording, chance: Chance) -> None:
        self.case, self.record = case, Record(case)
        self.lives = Lives(case.training, case.truth, chance.of("lives"))
        self.open: dict[str, int] = {}  # jobs without a final verdict; when a sweep may find them
        self.late: list[tuple[int, str]] = []  # uploads that end after their job: when, version
        self._world, self._wording, self._chance = world, wording, chance
        self._where = requests.where(case.training)
        self._saves: dict[str, Save] = {}
        self._says: dict[str, str] = {}

    @property
    def newest(self) -> Life:
        return self.record.lives[-1]

    def says(self, text: str) -> None:
        self.record.story.append(Line(self._world.clock(), text))

    # An attempt begins

    def begin(self, request: Request) -> Life:
        """A job was created: have it live."""
        now, name = self._world.clock(), str(request["TrainingJobName"])
        chosen = self._chosen(request)
        if self.record.lives:
            self._measure_successor(chosen, now)
        step, bad = (chosen.step, chosen.bad) if chosen else (0, False)
        life = self.lives.live(name, now, step, bad=bad)
        self.record.lives.append(life)
        return life

    def _chosen(self, request: Request) -> Save | None:
        env = request["Environment"]
        pinned = env.get(environment.CHECKPOINT, "") if isinstance(env, dict) else ""
        return self._saves.get(str(pinned).rpartition(":")[2])

    def _measure_successor(self, chosen: Save | None, now: int) -> None:
        record = self.record
        if record.hopeless_since is not None:
            record.hopeless_launches += 1
        if record.person_stopped is not None:
            record.came_back += 1
            self.says("CAME BACK after a person's stop")
        if record.hopeless:
            return
        step = chosen.step if chosen else 0
        lost = self._lost(step, now, _WORTH_A_WAIT)
        record.lost_steps += lost
        record.lost_late += self._lost(step, now, _TOO_LATE) - lost
        if lost:
            self.says(f"LOST {lost} s of training that could have been kept")
        blocked = (*self.case.truth.blocked, *self.lives.wandb_down)
        ended = self.newest.ended
        record.idle += max(0, now - ended - overlap(blocked, ended, now))

    def _lost(self, step: int, now: int, patience: int) -> int:
        """Work that a better choice, or so much patience after the end, would have kept."""
        latest = max(now, self.newest.ended + patience)
        gains = (
            save.step - step - max(0, save.committed - now)
            for save in self._saves.values()
            if not save.bad and save.committed is not None and save.committed <= latest
        )
        return max(0, max(gains, default=0))

    # An attempt ends

    def end(self, life: Life) -> None:
        """Have SageMaker and W&B show the end as it looks from outside."""
        record, name = self.record, life.job
        self._show_versions(life)
        stop = self.case.truth.stop
        stopping = life.cause == "stopped" and stop is not None and stop.how != "wandb"
        self._world.sagemaker.show(name, requests.times(life, stopping=stopping))
        status, secondary = self._looks(life)
        self._world.sagemaker.end(name, status, secondary, self._reason(life, status))
        if life.cause == "finished":
            record.completed = life.ended
            self._mark_completed(name)
        if life.cause == "stopped":
            record.person_stopped = life.ended
        if life.cause in self.case.truth.hopeless and record.hopeless_since is None:
            record.hopeless_since = life.ended
        done = life.saves[-1].step if life.saves else life.resumed
        self.says(f"{name} ends: {life.cause} at step {done} of {self.case.training.length}")

    def _looks(self, life: Life) -> tuple[str, str]:
        truth = self.case.truth
        if life.cause == "time_limit" and truth.exits_zero:
            return _ENDED["finished"]
        if life.cause == "pending":
            return "Stopped", "Pending" if self._chance.of(life.job, "p").happens(
                0.5
            ) else "Stopped"
        if life.cause == "stopped" and truth.stop and truth.stop.how != "stop" and life.started:
            return _FAILED
        return _ENDED.get(life.cause, _FAILED)

    def _reason(self, life: Life, status: str) -> str | None:
        if status != "Failed":
            return None
        truth, cause = self.case.truth, life.cause
        named = {"bug": truth.bug_says, "refused": truth.refusal}
        said = named.get(cause, _SAYS.get(cause, cause))
        if cause == "stopped" and truth.stop and truth.stop.how == "wandb":
            said = "stopped_in_wandb"
        if cause in _SAME_EACH_TIME:
            text = self._says.setdefault(
                cause, self._wording.text(said, self._chance.of("says", cause))
            )
        else:
            text = self._wording.text(said, self._chance.of("says", life.job))
        return self._filled_in(text, life)

    def _filled_in(self, text: str, life: Life) -> str:
        """What this project's training side says holds its own steps and versions."""
        if "{" not in text:
            return text
        taint, suspects = self.case.truth.taint, [one.version for one in life.saves if one.suspect]
        filled = {
            "{version}": self._version_at(life.resumed),
            "{step}": str(taint.dies_at if taint else 0),
            "{healthy}": str(taint.onset if taint else 0),
            "{suspects}": " ".join(suspects) or "none",
        }
        for hole, word in filled.items():
            text = text.replace(hole, word)
        return text

    def _version_at(self, step: int) -> str:
        found = (name for name, save in self._saves.items() if save.step == step)
        return next(found, "v0")

    def _mark_completed(self, name: str) -> None:
        job = self._world.sagemaker.describe(name)
        proof = environment.completion_proof(environment.read(job.described)) if job else None
        if proof is not None:
            arn = self._world.sagemaker.arn(name)
            self._world.sagemaker.add_tags(arn, {tags.COMPLETED: proof})

    # What it saved

    def _show_versions(self, life: Life) -> None:
        training, number = self.case.training, len(self._saves)
        shown = []
        for save in life.saves:
            save.version = f"v{number}"
            self._saves[save.version] = save
            number += 1
            late = save.committed is not None and save.committed > life.ended
            if late:
                self.late.append((save.committed or FOR_EVER, save.version))
            shown.append(
                Checkpoint(
                    version=save.version,
                    step=save.step if training.tells_steps else None,
                    digest=f"digest-{save.version}",
                    run=training.root,
                    committed=save.committed is not None and not late,
                    aliases=(f"suspect-{save.version}",) if save.suspect else (),
                    job=life.job if training.names_job else None,
                )
            )
        if shown:
            self._world.wandb.add(self._where, *shown[-rates.VERSIONS_SHOWN :])
            self._world.wandb.keep_newest(self._where, rates.VERSIONS_SHOWN)

    def end_upload(self, version: str) -> None:
        self._world.wandb.end_upload(self._where, version)

    # What people do

    def switch_off(self, why: str) -> None:
        """A person who finds no running job switches the lineage off."""
        self.says(f"a person switches it off: {why}")
        arn = self._world.sagemaker.arn(self.newest.job)
        self._world.sagemaker.add_tags(arn, {tags.MODE: "off"})

    @property
    def outages(self) -> list[Window]:
        return self.lives.wandb_down
