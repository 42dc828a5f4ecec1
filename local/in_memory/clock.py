"""Where and when the worlds in memory are."""

from dataclasses import dataclass

ACCOUNT, REGION = "111122223333", "us-east-1"


@dataclass(slots=True)
class Clock:
    """Epoch seconds that pass when they are told to."""

    now: int

    def __call__(self) -> int:
        return self.now

    def pass_by(self, seconds: int) -> None:
        self.now += seconds
