"""The end of the demo: what happened, attempt by attempt, and whether it is what must happen."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.lineage import Attempt
from local.demo.run import PROJECT, ROOT, Run
from local.stack import ENTITY

_LINE = ("job", "failure_class", "rule", "progress", "verdict", "reason", "checkpoint", "step")
_LINE_END = ("successor", "due", "detail", "next")
_STYLES = {"RELAUNCH": "bold green", "STOP": "bold red", "WAIT": "yellow"}
_RUNS = """query Runs($entity: String!, $project: String!) {
  project(entityName: $entity, name: $project) { runs { edges { node { name state } } } }
}"""


def timeline(run: Run, judgements: list[dict[str, Any]]) -> Table:
    """Show each attempt: how it ended, why, what was decided, from where and how fast."""
    shown = Table.grid(padding=(0, 2))
    attempts = list(run.attempts.values())
    for number, attempt in enumerate(attempts, start=1):
        following = attempts[number] if number < len(attempts) else None
        line = _settling(attempt, judgements)
        kind = line.get("failure_class") or "nothing failed"
        ended = f"{attempt.status} / {attempt.secondary_status}  ({kind}, rule {_rule(line)})"
        shown.add_row(f"attempt {number}", "job", Text(attempt.name, style="bold"))
        shown.add_row("", "ended", ended)
        for text in _waits(attempt, judgements):
            shown.add_row("", "waited", text)
        shown.add_row(
            "",
            "verdict",
            Text(f"{attempt.verdict} {attempt.reason}", style=_STYLES.get(attempt.verdict, "")),
        )
        for label, text in _what_followed(attempt, following, line):
            shown.add_row("", label, text)
        shown.add_row()
    return shown


def _waits(attempt: Attempt, judgements: list[dict[str, Any]]) -> list[str]:
    """Each wait once: a repeated message finds the same one."""
    waits = [
        f"{line['reason']}, until {line['due']}"
        for line in judgements
        if line.get("job") == attempt.name and line.get("verdict") == "WAIT"
    ]
    return list(dict.fromkeys(waits))


def _settling(attempt: Attempt, judgements: list[dict[str, Any]]) -> dict[str, Any]:
    """The line of the verdict that stands; repeated messages were told of as well."""
    standing = (attempt.verdict, attempt.reason)
    lines = [line for line in judgements if line.get("job") == attempt.name]
    settling = [line for line in lines if (line.get("verdict"), line.get("reason")) == standing]
    return next(iter(settling), {})


def _rule(line: Mapping[str, Any]) -> str:
    by_log = line.get("facts", {}).get("log_read") == "found"
    return f"{line.get('rule')}{'; its own log was read' * by_log}"


def _what_followed(
    attempt: Attempt, following: Attempt | None, line: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if following is None:
        return
    checkpoint = (
        f"{line['checkpoint']} at step {line['step']}" if line.get("checkpoint") else "none"
    )
    yield "resumes", f"checkpoint {checkpoint}; {_lost(attempt, line)}"
    yield "relaunch", f"{following.name}, {_seconds_between(attempt, following)} after the end"


def canonical_lines(judgements: list[dict[str, Any]]) -> Iterator[str]:
    """The controller's log lines, without their facts, which make replay possible and are long."""
    for line in judgements:
        words = [f"{key}={line[key]}" for key in (*_LINE, *_LINE_END) if line.get(key)]
        yield f"{line.get('timestamp', '')}  {line.get('message', '')}  " + "  ".join(words)


def defects(run: Run, judgements: list[dict[str, Any]]) -> list[str]:
    """Everything that is not as it must be; empty when the lineage really did what it should."""
    attempts = list(run.attempts.values())
    wanted = run.scenario.wanted(len(attempts))
    found = []
    if len(attempts) != len(wanted):
        found.append(f"{len(attempts)} attempts instead of {len(wanted)}")
    for attempt, outcome in zip(attempts, wanted, strict=False):
        if (attempt.verdict, attempt.reason) != (outcome.verdict, outcome.reason):
            found.append(f"{attempt.name}: {attempt.verdict} {attempt.reason}, not {outcome}")
        classes = {
            line.get("failure_class") for line in judgements if line.get("job") == attempt.name
        }
        if outcome.failure_class not in classes:
            found.append(f"{attempt.name}: classes {classes}, not {outcome.failure_class}")
    if run.scenario.waits and not any(line.get("verdict") == "WAIT" for line in judgements):
        found.append("there was no WAIT")
    found += _unfinished(run) if wanted[-1].reason == "completed" else []
    found += _lost_by_a_person(attempts) if wanted[-1].reason == "stopped_by_user" else []
    return found


def _lost_by_a_person(attempts: list[Attempt]) -> list[str]:
    """A person who stops a training loses none of its steps."""
    return [
        f"{one.name}: trained to step {one.last_step}, committed {one.checkpoints[-1:]}"
        for one in attempts
        if [step for _, step in one.checkpoints[-1:]] != [one.last_step]
    ]


def _unfinished(run: Run) -> list[str]:
    """Whether the work is really done: the mark, the model in S3, and one W&B run, finished."""
    last = list(run.attempts.values())[-1]
    found = []
    token = str(last.described["Environment"]["RESILIENCE_COMPLETION_TOKEN"])
    if last.tags.get("resilience:completed") != hashlib.sha256(token.encode()).hexdigest():
        found.append(f"{last.name} does not prove that it completed")
    uri = str(last.described.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""))
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    objects = run.stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=key) if key else {}
    if not any(one["Size"] for one in objects.get("Contents", ())):
        found.append(f"no model at {uri or 'S3'}")
    project = run.stack.wandb.graphql(_RUNS, entity=ENTITY, project=PROJECT)["project"]
    runs = {edge["node"]["name"]: edge["node"]["state"] for edge in project["runs"]["edges"]}
    wanted = {f"{ROOT}{suffix}" for suffix in run.scenario.runs}
    if runs.keys() != wanted:
        found.append(f"the lineage has the W&B runs {sorted(runs)}, not {sorted(wanted)}")
    found += [
        f"the W&B run {name} is {state}" for name, state in runs.items() if state != "finished"
    ]
    return found


def show(console: Console, run: Run, judgements: list[dict[str, Any]]) -> None:
    console.print()
    console.print(timeline(run, judgements))
    console.print("\nthe controller's log, one line per message:", highlight=False)
    for line in canonical_lines(judgements):
        console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def _lost(attempt: Attempt, line: Mapping[str, Any]) -> str:
    """Steps that the job logged and that its successor does again; it logs every fifth."""
    step = str(line.get("step") or "0")
    if attempt.last_step is None:
        return "no step lost: it never trained"
    if not step.isdigit():
        return "steps lost unknown"
    return f"its log ends at step {attempt.last_step}: {attempt.last_step - int(step)} steps lost"


def _seconds_between(attempt: Attempt, following: Attempt) -> str:
    if attempt.ended is None or following.created is None:
        return "an unknown time"
    return f"{(following.created - attempt.ended).total_seconds():.2f} s"
