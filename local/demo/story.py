"""What a person at the terminal sees while the demo goes on. Colours only on a terminal."""

import time

from rich.console import Console
from rich.text import Text

_STYLES = {
    "stack": "cyan",
    "launch": "cyan",
    "train": "default",
    "break": "bold red",
    "job": "yellow",
    "verdict": "bold green",
    "demo": "bold",
}


class Story:
    """One line per thing that happens, with the seconds since the start and who says it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, who: str, text: str) -> None:
        line = Text()
        line.append(f"{self.seconds:6.1f} s  ", style="dim")
        line.append(f"{who:<8}", style=_STYLES.get(who, "default"))
        line.append(text)
        self.console.print(line, soft_wrap=True, highlight=False)
