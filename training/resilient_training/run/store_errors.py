"""What a store answers when it does not do what it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from resilient_training.run.place import Place

# What S3 says of an object that is not there: by key, by version, and under a delete marker.
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed", "405"})
_ARCHIVED = "InvalidObjectState"
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})


class StoreError(Exception):
    """The store does not answer, or may not be used; no checkpoint is at fault."""

    @classmethod
    def of(cls, error: BotoCoreError | ClientError, rights: str, place: Place) -> StoreError:
        """In one line, with what to do; `rights` are what the request needs."""
        said = one_line(error)
        if code_of(error) in _DENIED:
            remedy = f"the job's role needs {rights} and, to see what is missing, s3:ListBucket"
            return cls(f"{place.url} cannot be used: {remedy} ({said})")
        return cls(f"{place.url} cannot be used: {said}")


class FileLostError(Exception):
    """A file of a checkpoint is gone from the store, or is not what its file list says."""


class Overtaken(Exception):  # noqa: N818 - an end that was asked for is no error
    """A newer checkpoint is worth more than what was being sent."""


def one_line(error: BaseException) -> str:
    """What an error says, for a log line; its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def code_of(error: BotoCoreError | ClientError) -> str | None:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else None


def lost(error: ClientError, path: str) -> FileLostError | None:
    """What the answer says of the object itself; None: it says nothing of it."""
    code = code_of(error)
    if code in _GONE:
        return FileLostError(f"{path} is gone from its store ({code})")
    if code == _ARCHIVED:
        return FileLostError(f"{path} is archived, and has to be restored by hand first")
    return None
