"""The page docs/failure-classes.md, made from the rules and the texts.

PYTHONPATH=functions python -m tests.unit.failure_page > docs/failure-classes.md
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from resilience.failure_rules import RULES
from resilience.failures import FailureClass

TEXTS = Path(__file__).with_name("failure_reasons.jsonl")
PAGE = Path(__file__).parents[2] / "docs" / "failure-classes.md"
_LONGEST_EXAMPLE = 150

_MEANING = {
    FailureClass.INFRASTRUCTURE: "a machine, a network or a service broke; another try may pass",
    FailureClass.CAPACITY: "AWS has no such instance to give at the moment",
    FailureClass.INTERRUPTED: "the instance was taken away, or the job was told to end (SIGTERM)",
    FailureClass.TIMEOUT: "the job's own time limit",
    FailureClass.OUT_OF_MEMORY: "of the GPU, of the host, of /dev/shm; SIGKILL counts as such",
    FailureClass.USER_CODE: "the training program's own error",
    FailureClass.DATA: "input that is absent or cannot be read; a checkpoint that cannot be loaded",
    FailureClass.PERMISSION: "something was refused that a person has to grant",
    FailureClass.CONFIGURATION: "a setting of the job, its image, its disk or its VPC",
    FailureClass.QUOTA: "a limit of the account that is used up",
    FailureClass.STOPPED_BY_USER: "a person did: StopTrainingJob, W&B's Stop run, SIGINT",
    FailureClass.INCOMPLETE: "ended Completed while its tag says that it had not finished",
    FailureClass.UNKNOWN: "no rule knows the text, or there is none",
}

_HEAD = """# Failure classes

How an ended job is read into one of thirteen classes. This page is made from the rules in
`functions/resilience/failure_rules/` and the texts in `tests/unit/failure_reasons.jsonl`; a test
holds it to them.

1. **Status.** Completed is taken at its word unless `resilience:completed` is `no` (incomplete).
   MaxRuntimeExceeded is timeout, MaxWaitTimeExceeded and Interrupted are interrupted,
   Stopped/Stopped is stopped_by_user. A FailureReason that says `StoppedByUser` comes before all
   of these but Completed.
2. **FailureReason.** A text that begins with `CheckpointLoadError: <version>:` is data, and the
   pinned checkpoint is to blame. Otherwise the first rule below that matches decides.
3. **Status messages**, newest first, back to the point at which training was under way.

A phrase is a run of whole words; case, whitespace and punctuation do not count, `*` is any gap of
up to 120 characters, `~error` any word that ends so. Command lines, source lines of tracebacks and
addresses are no evidence. Why the rules stand in this order: the docstring of `failure_rules`.

| class | meaning |
|---|---|
"""

_TABLE = """
## Rules, in order

| rule | class | a text | from |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    failure_class: FailureClass
    rule: str
    source: str


def texts() -> list[Text]:
    rows = map(json.loads, TEXTS.read_text(encoding="utf-8").splitlines())
    return [
        Text(row["text"], FailureClass(row["failure_class"]), row["rule"], row["source"])
        for row in rows
    ]


def render() -> str:
    meanings = "".join(f"| {each} | {_MEANING[each]} |\n" for each in FailureClass)
    examples = {text.rule: text for text in reversed(texts())}
    rows = "".join(
        f"| {rule.name} | {rule.failure_class} | {_example(examples[rule.name])} |\n"
        for rule in RULES
    )
    return _HEAD + meanings + _TABLE + rows


def _example(text: Text) -> str:
    flat = " ".join(text.text.split())
    short = flat if len(flat) <= _LONGEST_EXAMPLE else flat[:_LONGEST_EXAMPLE].rstrip() + " …"
    code = short.replace("`", "'").replace("|", "\\|")
    return f"`{code}` | {_source(text.source)}"


def _source(source: str) -> str:
    if not source.startswith("https://"):
        return source
    return f"[{source.removeprefix('https://').removeprefix('github.com/')[:60]}]({source})"


if __name__ == "__main__":
    sys.stdout.write(render())
