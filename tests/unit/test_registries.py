"""AWS's registries are those of the SageMaker SDK's own table."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from resilience.registries import DEEP_LEARNING_CONTAINERS, with_accounts


def of_the_sdk() -> dict[str, str]:
    """The registry of each region, by the newest version that the SDK can launch."""
    spec = find_spec("sagemaker.core")
    assert spec is not None
    assert spec.submodule_search_locations
    table = Path(spec.submodule_search_locations[0]) / "image_uri_config" / "pytorch.json"
    *_, newest = json.loads(table.read_text())["training"]["versions"].values()
    registries: dict[str, str] = newest["registries"]
    return registries


def test_the_table_is_the_sdks() -> None:
    assert of_the_sdk() == DEEP_LEARNING_CONTAINERS


@pytest.mark.parametrize(
    ("region", "account"),
    [
        ("eu-west-1", "763104351884"),
        ("il-central-1", "780543022126"),
        ("cn-north-1", "727897471807"),
        ("us-gov-west-1", "442386744353"),
    ],
)
def test_the_placeholder_becomes_the_account_of_the_region(region: str, account: str) -> None:
    globs = ("deep-learning-containers.dkr.ecr.*.amazonaws.com/*", "ghcr.io/me/*")
    assert with_accounts(globs, region) == (
        f"{account}.dkr.ecr.*.amazonaws.com/*",
        "ghcr.io/me/*",
    )


def test_a_region_that_the_table_does_not_know_lets_no_registry_in() -> None:
    assert with_accounts(("deep-learning-containers.dkr.ecr.*/*",), "xx-new-1") == ()


def test_a_repository_of_that_name_is_no_placeholder() -> None:
    globs = ("public.ecr.aws/deep-learning-containers/*",)
    assert with_accounts(globs, "eu-west-1") == globs
