"""The page docs/failure-classes.md, made from the rules and the texts.

PYTHONPATH=functions python -m tests.unit.failure_page > docs/failure-classes.md
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from resilience.decide.starts import refusal_of_the_start, why_not_started
from resilience.failures import FailureClass, row
from resilience.failures.rules import RULES

TEXTS = Path(__file__).with_name("failure_reasons.jsonl")
PAGE = Path(__file__).parents[2] / "docs" / "failure-classes.md"
_LONGEST_EXAMPLE = 150

_HEAD = """# Failure classes

How an ended job is read into one of thirteen classes. This page is made from the rules in
`functions/resilience/failures/` and the texts in `tests/unit/failure_reasons.jsonl`; a test holds
it to them.

1. **Status.** Completed is taken at its word unless `resilience:completed` is `no` (incomplete).
   MaxRuntimeExceeded is timeout, MaxWaitTimeExceeded and Interrupted are interrupted,
   Stopped/Stopped is stopped_by_user. A FailureReason that begins with `StoppedByUser:` comes
   before all of these but Completed. Where only the rest of a text reads like a person's stop, the
   job does not come back either, but a person is notified.
2. **FailureReason.** A text that begins with `CheckpointLoadError: <version>:` is data, and the
   pinned checkpoint is to blame. `Stalled:` at the beginning is infrastructure, whatever the text
   quotes: the same silence that a watchdog of torch ends is read so too. `PeerLost:` at the
   beginning means that a host saw only another one's death: any cause in the same text comes before
   it. Otherwise the cause that the text names decides, see below.
3. **Status messages**, newest first, back to the point at which training was under way.
4. **The job's own log**, where these say nothing and the attempt committed nothing: the earliest
   cause over all hosts. It may only excuse, see decisions/0019-a-jobs-own-log.md.

## What a class decides

Evidence of work decides first ([decision 18](decisions/0018-judge-by-work.md)): an attempt that
saved a checkpoint of its own beyond all earlier ones goes on, whatever its class. The class counts
in two cases: the job never began to train, or it trained and saved nothing new. In the second case
the class says what the termination is evidence against.

| class | it never trained | it trained and saved nothing new: evidence against | meaning |
|---|---|---|---|
"""

_READING = """
The text names the cause for the operator and breaks ties; the work of the attempt is heard first.

## How a text is read

1. **Statements.** The reader drops wrappers, commands, addresses, colours, ranks and times
   (`plain_text`). Then it splits the text where a traceback, a frame, a level or the name of an
   exception begins (`marks`, `statements`). It works the same on a text that lost its lines.
2. **No statements**: frames and their source, notices of the levels INFO and WARNING, ignored
   exceptions, what is printed at every end, advice, and guesses (`There are some potential root
   causes`). Warnings are read only if nothing else names a cause.
3. **Each statement** falls under one rule: by the name of its exception where the name says all
   (`KeyError`), then by Xid or Neuron status, phrases about causes (`causes`), codes of AWS and
   HTTP, phrases about troubles (`troubles`), errno, nested exceptions, signals and exit codes,
   gRPC, the family of its exception's name (`names`), and what remains.
4. **The cause** is the first statement of the best rank, below. So a lost peer, an exit code or a
   handled `KeyError` never hides the exception that led to it.

| rank | what such a statement explains |
|---|---|
| decisive | a broken machine, a refusal for ever: nothing else in the text matters |
| cause | the failure itself |
| killed | one process was killed, and its peers complain of that |
| peer | a complaint about another process |
| echo | that something ended, and how |

Where the words of a statement name several troubles, the earlier rule decides: a broken machine, a
full disk and memory, AWS about itself, what was refused, the program's own faults, lost peers, the
network, and last the input.
"""

_TABLE = """
## Rules

| rule | class | rank | a text | from |
|---|---|---|---|---|
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
    classes = "".join(_class(each) for each in FailureClass)
    examples = {text.rule: text for text in reversed(texts())}
    rows = "".join(
        f"| {rule.name} | {rule.failure_class} | {rule.rank.name.lower()}"
        f" | {_example(examples[rule.name])} |\n"
        for rule in RULES
    )
    return _HEAD + classes + _READING + _TABLE + rows


def _class(failure_class: FailureClass) -> str:
    described = row(failure_class)
    blame, before = str(described.blame), _before_it_trained(failure_class)
    if failure_class is FailureClass.STOPPED_BY_USER:
        blame = before = "never relaunched"
    return f"| {failure_class} | {before} | {blame} | {described.meaning} |\n"


def _before_it_trained(failure_class: FailureClass) -> str:
    waits, refused = why_not_started(failure_class), refusal_of_the_start(failure_class)
    if refused is None:
        return f"waits (`{waits}`)"
    return f"stops (`{refused}`); waits (`{waits}`) if the lineage has trained"


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
