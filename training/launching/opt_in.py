"""What a job carries so that the controller may bring it back: its Environment and its tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from launching.spec import TrainingSpec

COLLECTION = "RESILIENCE_COLLECTION"
COMPLETION = "RESILIENCE_COMPLETION_TOKEN"
STORE = "RESILIENCE_STORE"
_OF_THE_CONTROLLER = "RESILIENCE_"
# Tags of a lineage and of a decision. On a job that no controller launched they contradict it.
_TAGS_OF_THE_CONTROLLER = frozenset(
    f"resilience:{word}"
    for word in (
        *("root", "parent", "attempt", "checkpoint", "checkpoint-step", "ledger", "rejected"),
        *("verdict", "reason", "successor", "due", "waiting", "completed"),
    )
)
_TOKEN = re.compile(r"[0-9a-f]{32}")
# What the controller takes for a name in W&B.
_WANDB_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")


def job_environment(spec: TrainingSpec) -> dict[str, str]:
    """What counts for the job, as nobody can change it later; no key, as Describe shows it."""
    return {**_settled(spec), **spec.environment}


def _settled(spec: TrainingSpec) -> dict[str, str]:
    entity = {"WANDB_ENTITY": spec.entity} if spec.entity else {}
    opt_in = {COLLECTION: _collection_of(spec), COMPLETION: spec.completion_token}
    return {
        "WANDB_BASE_URL": spec.base_url,
        "WANDB_PROJECT": spec.project,
        **entity,
        "WANDB_RUN_ID": spec.name,
        "WANDB_RESUME": "allow",
        "WANDB_SECRET_NAME": spec.secret_name,
        **({STORE: spec.store} if spec.store else {}),
        **(opt_in if spec.entity else {}),
    }


def _collection_of(spec: TrainingSpec) -> str:
    return f"{spec.entity}/{spec.project}/model-{spec.name}"


def job_tags(spec: TrainingSpec) -> dict[str, str]:
    """Opt the job in from the start, so that one which dies before it trains is recoverable too."""
    if spec.entity is None:
        return dict(spec.tags)
    return {**_index(spec), **spec.tags}


def _index(spec: TrainingSpec) -> dict[str, str]:
    """What tags say too, for people and for Search."""
    return {
        "WANDB_ENTITY": spec.entity or "",
        "WANDB_PROJECT": spec.project,
        "WANDB_CHECKPOINT_NAME": f"model-{spec.name}",
        "WANDB_RUN_ID": spec.name,
    }


def check_opt_in(spec: TrainingSpec) -> None:
    """Refuse an Environment and tags that contradict each other: the controller would stop the job.

    Raises:
        LaunchError: says which name it is, and which option sets it.
    """
    for option, name in (("--entity", spec.entity), ("--project", spec.project)):
        if name is not None and not _WANDB_NAME.fullmatch(name):
            raise LaunchError(f"{option} {name!r} is no name that W&B could have")
    if not _TOKEN.fullmatch(spec.completion_token):
        raise LaunchError("completion_token: 32 lowercase hex characters")
    _check_environment(spec)
    _check_tags(spec)


def _check_environment(spec: TrainingSpec) -> None:
    if "WANDB_API_KEY" in spec.environment:
        raise LaunchError("WANDB_API_KEY does not belong in a job's Environment: use the secret")
    settled = _settled(spec)
    for name, value in spec.environment.items():
        ours = name in settled or name == "WANDB_ENTITY" or name.startswith(_OF_THE_CONTROLLER)
        if ours and settled.get(name) != value:
            raise LaunchError(f"environment {name}={value}: {_says(name, settled)}")


def _check_tags(spec: TrainingSpec) -> None:
    index = _index(spec)
    if theirs := sorted(_TAGS_OF_THE_CONTROLLER & set(spec.tags)):
        raise LaunchError(f"--tag {theirs[0]}: only the controller and the training write that tag")
    for key, value in spec.tags.items():
        # An alias or a version of the same collection is no contradiction.
        said = value.partition(":")[0] if key == "WANDB_CHECKPOINT_NAME" else value
        if key in index and index[key] != said:
            raise LaunchError(f"--tag {key}={value}: {_says(key, index)}")


def _says(name: str, known: Mapping[str, str]) -> str:
    if name == COMPLETION:
        return "the launch draws it"
    options = {"WANDB_ENTITY": "--entity", "WANDB_PROJECT": "--project", STORE: "--store"}
    option = options.get(name)
    way = f"set it with {option}" if option else "leave it out"
    return f"the job says {known.get(name) or 'nothing'}; {way}"
