"""The container that a training runs in, and what it installs there."""

import importlib.metadata
import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import botocore
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from launching.account import Account, LaunchError
from launching.images import default_image, registry_account
from resilience.registries import DEEP_LEARNING_CONTAINERS
from tests.unit.small_launch import ACCOUNT, TRAINING

OURS = json.loads((TRAINING / "launching" / "registries.json").read_text())
LOCK = (TRAINING / "requirements.lock").read_text()
LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")
# CVE-2026-24747: an older torch runs code out of a checkpoint that is loaded with weights_only.
OLDEST_TORCH = Version("2.10")


def tag_of(image: str) -> re.Match[str]:
    found = re.search(r":(?P<torch>[\d.]+)-cpu-py(?P<python>\d+)-ubuntu22.04-sagemaker$", image)
    assert found, image
    return found


@pytest.mark.parametrize(
    ("place", "registry"),
    [
        (ACCOUNT, "763104351884.dkr.ecr.eu-west-1.amazonaws.com"),
        (replace(ACCOUNT, region="me-south-1"), "217643126080.dkr.ecr.me-south-1.amazonaws.com"),
        (
            Account("aws-cn", "1", "cn-northwest-1"),
            "727897471807.dkr.ecr.cn-northwest-1.amazonaws.com.cn",
        ),
        (
            Account("aws-us-gov", "1", "us-gov-west-1"),
            "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com",
        ),
    ],
)
def test_the_default_image_is_in_the_registry_of_the_region(place: Account, registry: str) -> None:
    assert default_image(place).startswith(f"{registry}/pytorch-training:")


def test_where_aws_has_no_container_the_launch_asks_for_one() -> None:
    with pytest.raises(LaunchError, match="mars-east-1: give --image"):
        default_image(replace(ACCOUNT, region="mars-east-1"))
    assert registry_account("mars-east-1") is None


def test_the_registries_and_the_default_image_are_those_that_the_sdk_knows() -> None:
    known = json.loads((files("sagemaker.core.image_uri_config") / "pytorch.json").read_text())
    tag = tag_of(default_image(ACCOUNT))
    version = known["training"]["versions"][tag["torch"]]
    assert version["registries"] == OURS
    assert version["repository"] == "pytorch-training"
    assert f"py{tag['python']}" in version["py_versions"]


def test_the_controller_relaunches_the_default_image_in_every_region() -> None:
    assert DEEP_LEARNING_CONTAINERS == OURS


def test_the_domains_are_those_that_botocore_knows() -> None:
    found = Path(botocore.__file__).parent / "data" / "partitions.json"
    known = {
        one["id"]: one["outputs"]["dnsSuffix"]
        for one in json.loads(found.read_text())["partitions"]
    }
    assert {part: Account(part, "1", "x").domain for part in known} == known


def test_no_torch_that_runs_code_out_of_a_checkpoint_is_used() -> None:
    assert Version(tag_of(default_image(ACCOUNT))["torch"]) >= OLDEST_TORCH
    (torch,) = [one for one in asked_for() if one.name == "torch"]
    assert not torch.specifier.contains("2.9.99")
    assert torch.specifier.contains("2.10.0")


def asked_for() -> list[Requirement]:
    lines = (TRAINING / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def locked() -> dict[str, str]:
    lines = [line for line in LOCK.splitlines() if "==" in line]
    return {found[1]: found[2] for line in lines if (found := LINE.fullmatch(line))}


def test_every_package_of_the_container_has_its_version_and_its_hash() -> None:
    options = [line for line in LOCK.splitlines() if line.startswith("--")]
    assert options == ["--require-hashes", "--only-binary :all:"]
    others = [line for line in LOCK.splitlines() if not LINE.fullmatch(line)]
    assert [line for line in others if not line.startswith(("#", "--"))] == []
    assert "://" not in LOCK


def test_what_a_training_asks_for_is_locked_but_for_the_containers_own_torch() -> None:
    versions = locked()
    for requirement in asked_for():
        if requirement.name != "torch":
            assert requirement.specifier.contains(versions[requirement.name]), requirement
    assert not [name for name in versions if name == "torch" or name.startswith("nvidia")]


def test_the_lock_is_of_the_versions_that_are_tested() -> None:
    """What stands in the lock and is installed here too is the same."""
    tested = {}
    for name in locked():
        try:
            tested[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    assert len(tested) > 40
    assert {name: locked()[name] for name in tested} == tested


def test_the_lock_is_made_for_the_default_image() -> None:
    tag = tag_of(default_image(ACCOUNT))
    python = f"{tag['python'][0]}.{tag['python'][1:]}"
    maker = (TRAINING.parent / "packaging" / "lock_training.py").read_text()
    assert f'PYTHON, TORCH = "{python}", "{tag["torch"]}"' in maker
    assert f"for Python {python} on Linux x86_64" in LOCK
