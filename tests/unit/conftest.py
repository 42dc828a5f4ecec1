"""Unit tests: the same examples on every machine, no clock that could fail one, no network."""

import os
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
settings.register_profile("resilience", deadline=None, derandomize=True, database=None)
# HYPOTHESIS_PROFILE=random looks at other examples on each run.
settings.register_profile("random", deadline=None, print_blob=True)
# Whether a mutant is noticed, and not by how small an example.
settings.register_profile(
    "mutation", settings.get_profile("resilience"), phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "resilience"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of pure code that opens a connection is a test of something else."""
    connect = socket.socket.connect

    def only_on_this_machine(one: socket.socket, address: Any) -> None:  # noqa: ANN401 — of any family
        if one.family != socket.AF_UNIX and address[0] not in _LOOPBACK:
            raise AssertionError(f"a unit test connects to {address}")
        connect(one, address)

    monkeypatch.setattr(socket.socket, "connect", only_on_this_machine)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # where boto3 looks for a role


@pytest.fixture(autouse=True)
def loads_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each such process imports torch, for seconds; a test that is about them overrides this."""
    if "resilient_training" in sys.modules:
        monkeypatch.setattr("resilient_training.checkpoints.trial.Trial.loads", _loads_here)


def _loads_here(_trial: object, reader: str, file: Path) -> bool:
    # Imported late: most unit tests need no torch.
    from resilient_training.checkpoints.loadable import NotLoadableError  # noqa: PLC0415

    why = import_module(reader).refusal(str(file))
    if why is not None:
        raise NotLoadableError(why)
    return True
