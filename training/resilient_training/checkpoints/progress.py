"""Whether the uploads of a W&B run move: what its service has sent so far."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wandb.sdk.lib.asyncio_manager import AlreadyJoinedError
from wandb.sdk.mailbox.mailbox import MailboxClosedError
from wandb.sdk.mailbox.mailbox_handle import HandleAbandonedError, ServerResponseError

if TYPE_CHECKING:
    import wandb

_log = logging.getLogger(__name__)
_ANSWER_SECONDS = 5.0
# What the SDK raises when its service (wandb-core) does not answer, or is no more.
SERVICE_IS_GONE = (
    TimeoutError,
    HandleAbandonedError,
    MailboxClosedError,
    ServerResponseError,
    AlreadyJoinedError,
    OSError,
)


def uploaded_bytes(run: wandb.Run) -> int | None:
    """Bytes of files that the run's service has sent so far; None: it does not say.

    This is what `run.finish` shows as its progress. The file's position in /proc says nothing: the
    service reads by offset (wandb 0.31).
    """
    try:
        # No public name: run.finish() polls so. Without it nobody can see whether an upload moves.
        handle = run._interface.deliver_poll_exit()  # type: ignore[union-attr]  # noqa: SLF001
        answer = handle.wait_or(timeout=_ANSWER_SECONDS)
        sent: int = answer.response.poll_exit_response.pusher_stats.uploaded_bytes
    except AttributeError as error:
        _log.debug("this wandb does not say whether an upload moves: %s", error)
        return None
    except SERVICE_IS_GONE:
        return None
    return sent
