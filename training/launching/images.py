"""AWS's own training containers, which lie in another registry in many regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from launching.account import Account

# The account whose registry has the Deep Learning Containers of a region. The controller has the
# same table, and takes only those images by default; a test compares both with the SDK's.
_REGISTRIES = Path(__file__).with_name("registries.json")
# The first of the containers with torch 2.10: an older one runs code out of a checkpoint that is
# loaded with weights_only (CVE-2026-24747). requirements.lock is made for its Python.
_DEFAULT = "pytorch-training:2.10.0-cpu-py313-ubuntu22.04-sagemaker"


def registry_account(region: str) -> str | None:
    """The account that AWS's containers of the region are pulled from; None if there is none."""
    registries: dict[str, str] = json.loads(_REGISTRIES.read_text())
    return registries.get(region)


def default_image(account: Account) -> str:
    """AWS's PyTorch training container for CPU, in the account's region.

    Raises:
        LaunchError: AWS has none there that is known here.
    """
    owner = registry_account(account.region)
    if owner is None:
        raise LaunchError(f"no container of AWS is known in {account.region}: give --image")
    return f"{owner}.dkr.ecr.{account.region}.{account.domain}/{_DEFAULT}"
