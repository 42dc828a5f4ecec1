"""Makes the way of an event right where MiniStack is wrong, by patches in its process.

Private names of ministack 1.5.33, which is pinned; each patch says what it mends and why.
"""

from local.aws import lambda_runtime
from local.aws.event_path import (
    alarms,
    mappings,
    networks,
    parameter_access,
    queue_access,
    rules,
    scheduler_access,
    schedules,
    topics,
    transport,
)
from local.doubts import KNOWN, Doubts


def install(doubts: Doubts = KNOWN) -> None:
    """Mend this process's MiniStack; call once, before it serves."""
    transport.install()
    lambda_runtime.install()
    networks.install()
    mappings.install()
    rules.install()
    queue_access.install()
    parameter_access.install()
    schedules.install()
    scheduler_access.install(doubts)
    topics.install()
    alarms.install()
