"""Hosts with disks of their own make one checkpoint: it is uploaded as a whole, or not committed.

    first host   its disk has a complete checkpoint, and lacks some files that belong to it
                 -> announces a word, drawn for this checkpoint, and the files that it wants
    other hosts  -> answer at once, upload what they have of that under keys with the word, and
                 answer again
    first host   -> uploads its own files; once its own and the answers to this very word cover
                 all of it, it commits. A host that does not answer means no version.

A round is one life of all hosts together (`agreement.py`). Whoever restarted is in no round, or in
another one, and its answers and announcements count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resilient_training.run.board import read
from resilient_training.run.messages import (
    Announcement,
    Answer,
    Kept,
    announcement_from,
    answer_from,
    kept_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resilient_training.run.board import Board
    from resilient_training.run.file_list import ListedFile

    KeyOf = Callable[[str, str, str, str], str]

ANNOUNCED = "announced.json"
KEPT = "kept.json"
_SHOWN = 3


@dataclass(frozen=True)
class Complete:
    """Every file of the checkpoint is in the store under its word; sorted by path."""

    files: tuple[ListedFile, ...]


@dataclass(frozen=True)
class Missing:
    """What is not there yet.

    Attributes:
        silent: The hosts that have not answered to this word.
        files: The files that no host has uploaded.
    """

    silent: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def why(self) -> str:
        """One line that names the hosts to look at, or else the files."""
        names = self.silent or self.files
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        what = "no answer from" if self.silent else "no host has"
        return f"{what} {', '.join(names[:_SHOWN])}{more}"


def union(
    announcement: Announcement,
    own: Sequence[ListedFile],
    answers: Mapping[str, Answer],
    others: Sequence[str],
    key_of: KeyOf,
) -> Complete | Missing:
    """Whether the first host's own files and the answers cover the checkpoint.

    An answer counts only for the word, and a file only under its host's own key with that word.

    Args:
        announcement: What is wanted beside `own`.
        own: What the first host has uploaded under the word.
        answers: By the host that is expected to have written it.
        others: The other hosts, in order; of two that have the same file the first one counts.
        key_of: The key of a file, from word, host, folder and path.
    """
    heard = {host: answers[host] for host in others if _is_to(announcement, host, answers)}
    found = {file.path: file for file in own}
    for host, answer in heard.items():
        for file in answer.files:
            if _is_of(announcement, host, file, key_of):
                found.setdefault(file.path, file)
    files = tuple(sorted(announcement.wanted.keys() - found.keys()))
    if files:
        return Missing(tuple(host for host in others if host not in heard), files)
    return Complete(tuple(found[path] for path in sorted(found)))


def _is_to(announcement: Announcement, host: str, answers: Mapping[str, Answer]) -> bool:
    answer = answers.get(host)
    said = None if answer is None else (answer.round, answer.word, answer.host)
    return said == (announcement.round, announcement.word, host)


def _is_of(announcement: Announcement, host: str, file: ListedFile, key_of: KeyOf) -> bool:
    key = key_of(announcement.word, host, announcement.folder, file.path)
    return (
        file.stored is not None
        and file.stored.key == key
        and announcement.gives(file.path, file.size)
    )


@dataclass(frozen=True)
class FirstHost:
    """Announces, and collects the answers of the others."""

    board: Board
    others: tuple[str, ...]
    round: str
    key_of: KeyOf

    def announce(self, word: str, folder: str, wanted: Mapping[str, int | None]) -> Announcement:
        """Ask the others for files. The announcement before this one is thereby overtaken.

        Raises:
            InvalidInputError: a file has a name that another host could not have.
            StoreError, OSError: the board does not take it.
        """
        announcement = Announcement(self.round, word, folder, wanted)
        self.board.put(ANNOUNCED, announcement.to_bytes())
        return announcement

    def collect(self, announcement: Announcement, own: Sequence[ListedFile]) -> Complete | Missing:
        """Look at the answers that are there now.

        Raises:
            StoreError, OSError: the board does not answer.
        """
        found = {host: self._answer(announcement.word, host) for host in self.others}
        answers = {host: answer for host, answer in found.items() if answer is not None}
        return union(announcement, own, answers, self.others, self.key_of)

    def _answer(self, word: str, host: str) -> Answer | None:
        return read(self.board, answer_name(word, host), answer_from)

    def tell_kept(self, step: int, names: Sequence[str]) -> None:
        """Tell the others what is on this disk, now that the checkpoint of `step` is committed."""
        self.board.put(KEPT, Kept(self.round, step, tuple(names)).to_bytes())


class OtherHost:
    """Answers the first host's announcements, in one round."""

    def __init__(self, board: Board, host: str, round_: str) -> None:
        self._board = board
        self._host = host
        self._round = round_
        # By word: an upload may end when the next announcement is seen already.
        self._given: dict[str, tuple[ListedFile, ...]] = {}

    def announced(self) -> Announcement | None:
        """The checkpoint that the first host asks for now, and what this host has not given of it.

        The first time it is answered at once: then silence means that a host is gone.

        Raises:
            StoreError, OSError: the board does not answer.
        """
        announcement = read(self._board, ANNOUNCED, announcement_from)
        if announcement is None or announcement.round != self._round:
            return None
        if announcement.word not in self._given:
            self.answer(announcement, [])
        given = {file.path for file in self._given[announcement.word]}
        wanted = announcement.wanted.items()
        missing = {path: size for path, size in wanted if path not in given}
        return replace(announcement, wanted=missing) if missing else None

    def is_current(self, announcement: Announcement) -> bool:
        """Whether the first host still asks for it. Raises as `announced`."""
        newest = read(self._board, ANNOUNCED, announcement_from)
        return newest is not None and newest.word == announcement.word

    def answer(self, announcement: Announcement, files: Sequence[ListedFile]) -> None:
        """Say that these files were uploaded under the announcement's word, besides earlier ones.

        Raises:
            StoreError, OSError: the board does not take it.
        """
        word = announcement.word
        given = (*self._given.get(word, ()), *files)
        answer = Answer(self._round, word, self._host, given)
        self._board.put(answer_name(word, self._host), answer.to_bytes())
        self._given[word] = given

    def kept(self) -> Kept | None:
        """What the first host had on its disk at its last commit. Raises as `announced`."""
        kept = read(self._board, KEPT, kept_from)
        return kept if kept is not None and kept.round == self._round else None


def held_of(announcement: Announcement, sizes: Mapping[str, int]) -> list[str]:
    """The wanted files that a disk has, by the path and size of its files."""
    return sorted(path for path, size in sizes.items() if announcement.gives(path, size))


def answer_name(word: str, host: str) -> str:
    return f"{word}/{host}.json"
