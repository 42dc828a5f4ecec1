"""The values of a pickle as data: records for objects, and nothing is imported or called.

A reader for pickles that protocols 2 to 5 make of plain records. The caller says which globals may
be named. An opcode that such pickles do not have is refused. A `pickle.Unpickler` with a
`find_class` of our own is no replacement: with it a file of 20 bytes can reserve 64 GB of memo.
"""

from __future__ import annotations

import pickletools  # nosec B403 - names opcodes, and runs none
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    Global = tuple[str, str]
    Argument = tuple[Any, int]


class UnreadablePickleError(Exception):
    """The pickle is damaged, or has what is not allowed in it."""


@dataclass(eq=False, slots=True)
class Record:
    """An object of the pickle: what it is called with, and its attributes. Equal to itself only."""

    kind: Global
    arguments: tuple[object, ...] = ()
    fields: dict[Any, object] = field(default_factory=dict)


def value_of(data: bytes, allowed: Container[Global]) -> object:
    """The pickled value.

    Raises:
        UnreadablePickleError: with the reason, on one line.
    """
    try:
        return _Machine(allowed).run(data)
    except (ValueError, LookupError, OverflowError, MemoryError, struct.error) as error:
        why = str(error).splitlines() or [type(error).__name__]
        raise UnreadablePickleError(f"it is truncated or damaged ({why[0][:80]})") from error


class _Mark:
    """The beginning of a list of items on the stack."""


_MARK: Final = _Mark()
_NAMES: Final = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
_CODES: Final = {name: code for code, name in _NAMES.items()}
_STOP: Final = _CODES["STOP"]


def _number(layout: str) -> Callable[[bytes, int], Argument]:
    form = struct.Struct(layout)

    def read(data: bytes, at: int) -> Argument:
        return form.unpack_from(data, at)[0], at + form.size

    return read


def _sized(layout: str, decode: Callable[[bytes], object]) -> Callable[[bytes, int], Argument]:
    form = struct.Struct(layout)

    def read(data: bytes, at: int) -> Argument:
        begin = at + form.size
        end = begin + form.unpack_from(data, at)[0]
        if end > len(data):
            raise ValueError("the file ends in the middle of a value")
        return decode(data[begin:end]), end

    return read


def _global(data: bytes, at: int) -> Argument:
    module_end = data.index(b"\n", at)
    name_end = data.index(b"\n", module_end + 1)
    names = data[at:module_end].decode(), data[module_end + 1 : name_end].decode()
    return names, name_end + 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


_ARGUMENTS: Final[dict[int, Callable[[bytes, int], Argument]]] = {
    _CODES[name]: read
    for name, read in {
        "PROTO": _number("<B"),
        "FRAME": _number("<Q"),
        "BININT": _number("<i"),
        "BININT1": _number("<B"),
        "BININT2": _number("<H"),
        "BINFLOAT": _number(">d"),
        "BINPUT": _number("<B"),
        "BINGET": _number("<B"),
        "LONG_BINPUT": _number("<I"),
        "LONG_BINGET": _number("<I"),
        "LONG1": _sized("<B", lambda data: int.from_bytes(data, "little", signed=True)),
        "SHORT_BINUNICODE": _sized("<B", _text),
        "BINUNICODE": _sized("<I", _text),
        "BINUNICODE8": _sized("<Q", _text),
        "SHORT_BINBYTES": _sized("<B", bytes),
        "BINBYTES": _sized("<I", bytes),
        "GLOBAL": _global,
    }.items()
}


class _Machine:
    """A stack and a memo. The memo is a dict: an index of four billion costs one entry."""

    def __init__(self, allowed: Container[Global]) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        push = self._stack.append
        pushed = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE")
        acts: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys((*pushed, "BINUNICODE", "BINUNICODE8"), push),
            **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES"), push),
            **dict.fromkeys(("PROTO", "FRAME"), lambda _: None),
            **dict.fromkeys(("BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda index: push(self._memo[index])),
            **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda _: self._record()),
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "MARK": lambda _: push(_MARK),
            "POP": lambda _: self._drop(),
            "NONE": push,
            "NEWTRUE": lambda _: push(True),  # noqa: FBT003 — a value of the pickle
            "NEWFALSE": lambda _: push(False),  # noqa: FBT003 — the same
            "EMPTY_TUPLE": lambda _: push(()),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "TUPLE": lambda _: push(tuple(self._items())),
            "EMPTY_LIST": lambda _: push([]),
            "APPEND": lambda _: self._extend([self._pop()]),
            "APPENDS": lambda _: self._extend(self._items()),
            "EMPTY_DICT": lambda _: push({}),
            "SETITEM": lambda _: self._set([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda _: self._set(self._items()),
            "GLOBAL": self._name,
            "STACK_GLOBAL": lambda _: self._name((self._pop(), self._pop())[::-1]),
            "BUILD": lambda _: self._build(),
        }
        self._acts = {_CODES[name]: act for name, act in acts.items()}

    def run(self, data: bytes) -> object:
        acts, arguments, at = self._acts, _ARGUMENTS, 0
        while (code := data[at]) != _STOP:
            if (act := acts.get(code)) is None:
                raise UnreadablePickleError(f"{_NAMES.get(code, code)} has no place in it")
            read = arguments.get(code)
            argument, at = read(data, at + 1) if read else (None, at + 1)
            act(argument)
        (value,) = self._stack
        return value

    def _pop(self) -> Any:  # noqa: ANN401 — whatever was pickled
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a list of items ends too early")
        return value

    def _drop(self) -> None:
        self._stack.pop()

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._stack.append(tuple(reversed(items)))

    def _items(self) -> list[Any]:
        items = []
        while (value := self._stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise UnreadablePickleError("items are added to what is no list")
        self._stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        # An OrderedDict is a record, and gets its items as a dict does.
        target = target.fields if isinstance(target, Record) else target
        if not isinstance(target, dict) or len(items) % 2:
            raise UnreadablePickleError("items are set in what is no dict")
        target.update(
            (_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True)
        )

    def _name(self, names: tuple[object, object]) -> None:
        module, name = names
        kind = (str(module)[:80], str(name)[:80])
        if kind not in self._allowed:
            raise UnreadablePickleError(f"{'.'.join(kind)!r} has no place in it")
        self._stack.append(Record(kind))

    def _record(self) -> None:
        arguments, what = self._pop(), self._pop()
        if not isinstance(what, Record) or not isinstance(arguments, tuple):
            raise UnreadablePickleError("it calls what is no global")
        self._stack.append(Record(what.kind, arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._stack[-1]
        if not isinstance(target, Record):
            raise UnreadablePickleError("it sets attributes of what is no object")
        items = state.items() if isinstance(state, dict) else [("state", state)]
        target.fields.update(items)


def _key(key: object) -> object:
    """Flat keys only: the hash of a tuple in tuples in tuples has no end but that of the stack."""
    if isinstance(key, str | Record):
        return key
    parts = key if isinstance(key, tuple) else (key,)
    if all(part is None or isinstance(part, str | int | Record) for part in parts):
        return key
    raise UnreadablePickleError("a dict has a key that no checkpoint needs")
