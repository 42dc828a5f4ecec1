"""One attempt and what it saved, as it truly was."""

from dataclasses import dataclass, field

from proofs.judge.week import FOR_EVER


@dataclass(slots=True)
class Save:
    """A checkpoint that was uploaded, or was about to be."""

    step: int
    saved: int
    committed: int | None  # when; None: never
    bad: bool = False
    suspect: bool = False  # the training marks it so when its loss has diverged
    version: str = ""


@dataclass(slots=True)
class Life:
    """One attempt. `cause` is the truth about its end."""

    job: str
    created: int
    resumed: int  # step
    started: int | None = None
    ended: int = FOR_EVER
    cause: str = ""
    saves: list[Save] = field(default_factory=list)
    trained: int = 0  # seconds

    def ends(self, at: int, cause: str) -> "Life":
        self.ended, self.cause = at, cause
        return self
