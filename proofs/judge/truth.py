"""One training and what truly happens to it: what the oracle knows and the controller does not."""

from dataclasses import dataclass, field

from proofs.judge.week import FOR_EVER, Window

Windows = tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a person launched. Times in seconds; a step is a second of work."""

    root: str
    launched: int
    length: int
    interval: int  # between checkpoints
    upload: int
    init: int  # from the start of the container to the first step
    startup: tuple[int, int]  # from the request to the start of the container
    max_runtime: int
    max_wait: int | None  # spot
    gpus: int
    clustered: bool  # machine faults come in clusters
    names_job: bool  # its versions name the job that made them
    tells_steps: bool
    saves_at_limit: bool


@dataclass(frozen=True, slots=True)
class Taint:
    """A state that goes bad: what is saved after the onset cannot be passed."""

    onset: int  # step
    dies_at: int  # step
    cause: str  # poison | unloadable | nan | marked_nan
    again: bool = False  # each pass goes bad, from whatever checkpoint


@dataclass(frozen=True, slots=True)
class Stop:
    """A person's stop, and how it shows: stop | fails | wandb."""

    at: int
    how: str


@dataclass(frozen=True, slots=True)
class Mode:
    """A person switches the stack to this for a time."""

    window: Window
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All that goes wrong; `trouble` is the one that this lineage was made for."""

    trouble: str = "none"
    hopeless: frozenset[str] = frozenset()  # causes of death that no attempt can get past
    # The region and W&B
    incidents: Windows = ()
    droughts: Windows = ()
    wandb_down: Windows = ()
    scheduler_down: Windows = ()
    add_tags_down: Windows = ()
    # This training
    data_down: Windows = ()
    refused: Windows = ()  # AWS refuses the start
    refusal: str = "refused_role"
    training_key: Windows = ()  # W&B refuses the training's key
    controller_key: Windows = ()  # W&B refuses the controller's key
    deaths: tuple[tuple[int, str], ...] = ()  # (when, cause), if it runs then
    bug_at: int | None = None  # step; 0: before the first
    bug_says: str = "bug"
    flaky_every: int = FOR_EVER  # seconds of running, on average
    flaky_start: float = 0.0  # share of starts
    leak: int = FOR_EVER  # seconds of running until memory is full
    disk: int = FOR_EVER  # the same for the disk
    taint: Taint | None = None
    dies_by_wandb: bool = False  # a save that W&B does not take ends the training
    wandb_down_at_end: int | None = None  # for so long, from when the training reaches its end
    never_starts: bool = False
    exits_zero: bool = False  # when its time is up it ends as if it were finished
    storm: float = 1.0  # spot instances are lost so many times as often
    stop: Stop | None = None
    modes: tuple[Mode, ...] = ()

    @property
    def blocked(self) -> Windows:
        """When nothing that the controller does could have the training go on."""
        return (
            *self.incidents,
            *self.droughts,
            *self.wandb_down,
            *self.data_down,
            *self.refused,
            *self.training_key,
            *self.controller_key,
            *(mode.window for mode in self.modes),
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A lineage before its first job."""

    number: int
    training: Training
    truth: Truth
    length_class: str = field(default="")
