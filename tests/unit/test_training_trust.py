"""What a run has to be before its checkpoints are worth making."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from resilient_training import RunCheckpoints
from resilient_training.checkpoints import artifacts as artifacts_module
from resilient_training.checkpoints.torch_version import UnsafeTorchError, require_safe_torch
from resilient_training.job import CollectionError, job_from

if TYPE_CHECKING:
    import wandb

REQUIREMENTS = Path(__file__).parents[2] / "training" / "requirements.txt"


class Config(dict[str, object]):
    """As W&B's, which asks whether a value may change."""

    def update(self, values: Mapping[str, object], *, allow_val_change: bool) -> None:  # type: ignore[override]
        assert allow_val_change
        super().update(values)


@dataclass(frozen=True)
class Run:
    entity: str = "team"
    project: str = "digits"
    id: str = "x"
    offline: bool = False
    disabled: bool = False
    config: Config = field(default_factory=Config)


def checkpoints(run: Run, **environment: str) -> RunCheckpoints:
    return RunCheckpoints(cast("wandb.Run", run), job_from(environment))


def test_checkpoints_go_to_the_collection_that_the_launch_named() -> None:
    assert checkpoints(Run(), RESILIENCE_COLLECTION="team/digits/kept").name == "kept"
    assert checkpoints(Run()).name == "model-x"


@pytest.mark.parametrize("run", [Run(entity="me"), Run(project="other")])
def test_a_run_in_another_project_than_the_launch_named_does_not_begin_to_train(run: Run) -> None:
    with pytest.raises(CollectionError) as refused:
        checkpoints(run, RESILIENCE_COLLECTION="team/digits/model-x")
    place = f"the W&B run is in {run.entity}/{run.project}, RESILIENCE_COLLECTION says team/digits/"
    assert str(refused.value).startswith(place)


def test_a_run_that_stores_nothing_has_no_place_to_agree_on() -> None:
    run = Run(entity="", offline=True)
    assert not checkpoints(run, RESILIENCE_COLLECTION="team/digits/model-x").stored


@pytest.mark.parametrize("version", ["2.9.1", "2.8.0+cpu", "1.13.1", "2.6.0a0+git1"])
def test_a_torch_that_cannot_load_safely_is_refused_with_the_remedy(version: str) -> None:
    with pytest.raises(UnsafeTorchError, match=r"CVE-2026-24747.*torch 2\.10 or newer"):
        require_safe_torch(version)


@pytest.mark.parametrize("version", ["2.10.0", "2.13.0+cu130", "3.0", "unknown"])
def test_a_torch_from_2_10_on_may_load(version: str) -> None:
    require_safe_torch(version)


def test_what_could_not_be_loaded_safely_is_not_even_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts_module, "version_of", lambda _: "2.9.1")
    with pytest.raises(UnsafeTorchError):
        checkpoints(Run())
    assert not checkpoints(Run(disabled=True)).stored


def test_the_requirements_of_a_training_ask_for_such_a_torch() -> None:
    assert "torch>=2.10" in REQUIREMENTS.read_text().splitlines()
