from dataclasses import dataclass
from pathlib import Path

from local.doubts import KNOWN, Doubts


@dataclass(frozen=True)
class Settings:
    """What differs between a machine under test and an evening of training; times in seconds."""

    data: Path
    endpoint: str
    region: str
    start_delay: float = 0.0
    stop_grace: float = 120.0
    checkpoint_sync: float = 1.0
    # From the loss of one of several hosts to an internal error: minutes, and AWS gives no figure.
    lost_host_notice: float = 300.0
    terminal_event_copies: int = 2
    instance_quota: int = 32
    log_flush: float = 0.25
    page_limit: int = 100
    namespaces: bool = True
    temporary: bool = False
    doubts: Doubts = KNOWN
