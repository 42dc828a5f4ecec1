"""Finds phrases in failure texts as they come: wrapped, cut, indented, in any case.

A text is reduced to its words, small and between single spaces; what cannot be evidence (a command
line, the source lines of a traceback, addresses) is left out first. A phrase is reduced the same
way and is searched as a whole run of words; ` * ` in it stands for any 120 characters or fewer, and
`~error` for a word that ends so. Everything here takes time linear in the text.
"""

import re
from functools import cache

# FailureReason is cut at 1,024 characters; exception texts are longer, and the head tells.
_LONGEST_TEXT = 4096
_LONGEST_GAP = 120

_STREAM_MARK = re.compile(r"\[\d{1,6},[^\]]{1,60}\]<std(?:err|out)>:?|\[rank\s?\d{1,6}\]:?")
_SDK_PREFIX = re.compile(r"^.{0,40}error for [a-z ]{1,20}job [^:]{1,80}: ?failed\. ?reason: ?")
_COMMAND = re.compile(r'command "[^"]*"?')
_ADDRESS = re.compile(r"\b(?:s3|https?)://\S+|\barn:aws\S*")
_XID = re.compile(r"\bxid \(pci:[^)]{1,40}\): ?")
_FRAME = 'file "'
_EXCEPTION_END = re.compile(r'(?:error|exception|interrupt)(?= ?(?::|"|$))|keyboardinterrupt\b')
_REWRITES = (
    (_STREAM_MARK, " "),
    (_SDK_PREFIX, ""),
    (_COMMAND, " "),
    (_ADDRESS, " "),
    (_XID, "xid "),
)
# SageMaker puts these before almost anything; as an exception's name they tell nothing.
_WRAPPERS = (
    "clienterror ",
    "algorithmerror ",
    "executeuserscripterror ",
    "unexpectedstatusexception ",
)
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")

_ONE_WORD_FOR_EXIT_CODE = (
    " exitcode ",
    " exit status ",
    " return code ",
    " returncode ",
    " exited with code ",
    " exited with status ",
    " exit with code ",
    " exit with status code ",
    " exited with status code ",
    " exit status code ",
    " exited with exit code ",
)


def words_of(text: str) -> str:
    flat = " ".join(text[:_LONGEST_TEXT].replace("\\n", " ").lower().split())
    for pattern, replacement in _REWRITES:
        flat = pattern.sub(replacement, flat)
    return _words(_without_source_lines(flat))


def found(phrase: str, words: str, vocabulary: frozenset[str]) -> bool:
    """Whether `phrase` is in `words`; `vocabulary`, their set, saves most searches."""
    if not _vocabulary_of(phrase) <= vocabulary:
        return False
    first, *rest = _parts(phrase)
    at = _find(first, words, 0, len(words))
    while at >= 0:
        if _follow(rest, words, at + len(first) - 1):
            return True
        at = _find(first, words, at + 1, len(words))
    return False


def _words(text: str) -> str:
    words = f" {_BETWEEN_WORDS.sub(' ', text).strip()} "
    for other in _ONE_WORD_FOR_EXIT_CODE:
        words = words.replace(other, " exit code ")
    return words


def _without_source_lines(flat: str) -> str:
    """A frame quotes the program, and a program may well mention errors that did not happen."""
    head, *frames = flat.split(_FRAME)
    return " ".join([head, *(_after_source_line(frame) for frame in frames)])


def _after_source_line(frame: str) -> str:
    end = _EXCEPTION_END.search(frame)
    return frame[frame.rfind(" ", 0, end.start()) + 1 :] if end else ""


@cache
def _parts(phrase: str) -> tuple[str, ...]:
    return tuple(_part(part) for part in phrase.lower().split(" * "))


@cache
def _vocabulary_of(phrase: str) -> frozenset[str]:
    return frozenset(word for part in _parts(phrase) if part[0] != "~" for word in part.split())


def _part(part: str) -> str:
    return f"~{part[1:]} " if part.startswith("~") else _words(part)


def _find(part: str, words: str, start: int, end: int) -> int:
    if not part.startswith("~"):
        return words.find(part, start, end)
    ending = part[1:]
    at = words.find(ending, start, end)
    while at > 0 and (words[at - 1] == " " or words.startswith(_WRAPPERS, _word_start(words, at))):
        at = words.find(ending, at + 1, end)
    return at


def _word_start(words: str, at: int) -> int:
    return words.rfind(" ", 0, at) + 1


def _follow(parts: list[str], words: str, end: int) -> bool:
    for part in parts:
        at = _find(part, words, end, end + _LONGEST_GAP)
        if at < 0:
            return False
        end = at + len(part) - 1
    return True
