"""The switches in their order: of two, the more careful one wins."""

from resilience.decide.decisions import Mode

_MORE_AND_MORE_CAREFUL = (Mode.ACT, Mode.OBSERVE, Mode.OFF)


def more_careful(word: str, ceiling: Mode) -> Mode:
    """Return the more careful of a word that somebody set and the ceiling above it.

    No word leaves the ceiling alone. An unknown word observes, for it is not "act".
    """
    written = word.strip().lower()
    if not written:
        return ceiling
    wanted = Mode(written) if written in set(Mode) else Mode.OBSERVE
    return max(ceiling, wanted, key=_MORE_AND_MORE_CAREFUL.index)
