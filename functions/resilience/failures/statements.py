"""A failure text, taken apart into its statements, without what explains nothing.

A text comes as one line or as many, from several ranks at once, in SageMaker's wrappers, cut off
anywhere. So not its lines but the marks in it (a traceback, a level, an exception's name) begin a
statement; a line's end only ends a notice. Linear in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from resilience.failures.marks import END_OF_NOTICE, MARK
from resilience.failures.plain_text import plain_text

LONGEST_TEXT = 8192  # a reason has 1,024 characters; an exception of boto or a log has more
_LONGEST_LINE = 300  # a line that is longer was several
_WRAPPERS = ("algorithmerror", "executeuserscripterror", "unexpectedstatusexception")
_UNDERLINE = re.compile(r"[\s^~]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """`name` is the exception's, or empty.

    `handled`: another exception came of it. `in_thread`: a thread died of it, and no process.
    """

    name: str
    text: str
    handled: bool = False
    in_thread: bool = False

    def wraps_the_next(self) -> bool:
        return self.name != "" and not self.text.strip(": \n")


@dataclass(slots=True)
class _Reading:
    statements: list[Statement] = field(default_factory=list)
    notices: list[Statement] = field(default_factory=list)
    announced: str = ""  # "ignored" or "thread": of whom a traceback may follow
    hook: str = ""  # the same, in its traceback

    def take(self, kind: str, mark: str, body: str) -> None:
        match kind:
            case "exception":
                self._exception(mark, body)
            case "frame":
                self._say(_after_source_line(body))
            case "notice":
                self._notice(mark + body)
            case "farewell" | "ignored" | "thread":
                self._notice(body, ended=True)
            case "guess":
                self._say(_split(body)[1])
            case "handled":
                self._handled()
            case "cause":
                pass
            case "traceback":
                self.hook = self.announced
                self._say("" if self.hook else mark + body)
            case _:
                self._say(mark + body)
        if kind not in ("traceback", "frame"):
            self.hook = ""
        self.announced = kind if kind in ("ignored", "thread") else ""

    def _say(self, text: str) -> None:
        if text.strip():
            self.statements.append(Statement("", text))

    def _notice(self, text: str, *, ended: bool = False) -> None:
        """A notice ends with its line. In one that has no end, something else may stand."""
        notice, rest = _split(text)
        if not ended or not rest:
            self.notices.append(Statement("", notice))
        self._say(rest)

    def _exception(self, name: str, body: str) -> None:
        if self.hook == "ignored":
            message, rest = _split(body)
            self.notices.append(Statement(name, message))
            self._say(rest)
            return
        if name in _WRAPPERS:
            name, body = "", f"{name} {body}"
        if self.statements and self.statements[-1].wraps_the_next():
            self.statements.pop()
        self.statements.append(Statement(name, body, in_thread=self.hook == "thread"))

    def _handled(self) -> None:
        for number in reversed(range(len(self.statements))):
            if self.statements[number].name:
                self.statements[number] = replace(self.statements[number], handled=True)
                return


def statements_of(text: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """The statements of a text, and the notices that were left out of them."""
    reading = _Reading()
    flat = "\n" not in text.strip()
    for kind, mark, body in _segments(plain_text(text[:LONGEST_TEXT]), flat=flat):
        reading.take(kind, mark, body)
    return tuple(reading.statements), tuple(reading.notices)


def _segments(text: str, *, flat: bool) -> Iterator[tuple[str, str, str]]:
    kind, mark, start, blind_until = "plain", "", 0, 0
    for found in MARK.finditer(text):
        if found.start() < blind_until and found.lastgroup != "asked":
            continue
        yield kind, mark, text[start : found.start()]
        kind, mark, start = found.lastgroup or "plain", found[0], found.end()
        if kind == "notice" and not flat:
            blind_until = _end_of_short_line(text, found.start())
    yield kind, mark, text[start:]


def _end_of_short_line(text: str, start: int) -> int:
    """A notice that has its line to itself quotes exceptions, and none of them happened."""
    line = text[start : start + _LONGEST_LINE].partition("\n")[0]
    return start + len(line) if len(line) < _LONGEST_LINE else start


def _split(body: str) -> tuple[str, str]:
    end = END_OF_NOTICE.search(body)
    return (body[: end.start()], body[end.end() :]) if end else (body, "")


def _after_source_line(body: str) -> str:
    """A frame quotes the program, and a program may well mention errors that did not happen."""
    head, _, rest = body.partition("\n")
    if _is_blank(head.partition(", in ")[2].partition(" ")[2]):
        rest = rest.partition("\n")[2]
    return "" if _is_blank(rest) else rest


def _is_blank(text: str) -> bool:
    return _UNDERLINE.fullmatch(text) is not None
