"""The store of a launch: the place in S3 that holds the bytes of its checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launching.account import LaunchError
from resilient_training.run.place import Place, PlaceError, place_from

if TYPE_CHECKING:
    from launching.spec import TrainingSpec

# The default: a folder beside what the launcher uploads, which a training may not write to.
FOLDER = "store"


def default_store(home: str) -> str:
    return f"s3://{home}/{FOLDER}"


def place_of(store: str) -> Place:
    """Read the store.

    Raises:
        LaunchError: it is no place that the controller would believe.
    """
    try:
        return place_from(store)
    except PlaceError as error:
        raise LaunchError(
            f"--store: {error}; folders have letters, digits and _=.-, and begin with no dot"
        ) from None


def check_store(spec: TrainingSpec) -> None:
    """Refuse a store that is none, or in which a training could change what trainings run.

    Raises:
        LaunchError: says where it may be.
    """
    if spec.store is None:
        return
    place, home = place_of(spec.store), _folder(spec.home)
    own = _folder(f"{spec.home}/{FOLDER}")
    if place.bucket != home.bucket or place.prefix.startswith(own.prefix):
        return
    if place.prefix.startswith(home.prefix) or home.prefix.startswith(place.prefix):
        raise LaunchError(
            f"--store {spec.store}: the launcher's own folders are there, which no training may"
            f" write to; give {own.url} or a place outside of {home.url}"
        )


def _folder(of_bucket: str) -> Place:
    """A folder of the launcher's, whose name may have more letters than a store's."""
    bucket, _, prefix = of_bucket.partition("/")
    return Place(bucket, f"{prefix}/")


def note_on(store: str | None) -> str | None:
    """Say what the controller's stack has to allow; None: nothing."""
    if store is None:
        return None
    return (
        f"the stack must allow the store, or no checkpoint counts: CheckpointStores={store}/"
        " (make deploy, with what it lists already)"
    )
