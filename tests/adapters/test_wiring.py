"""Each entry, started as the template starts it, holds what its settings say."""

import secrets
from pathlib import Path

import boto3
import pytest

from resilience import wiring
from resilience.decide.breaker import Circuit
from resilience.decide.decisions import CheckpointRequest, Mode
from resilience.errors import SettingsMissing
from resilience.fleet.jobs import Fleet
from resilience.intake import Intake
from tests.adapters.authority import Authority, https_server
from tests.template.stack import ACCOUNT, REGION, stack

pytestmark = pytest.mark.usefixtures("moto")
SWITCH = "/resilience/resilience/mode"


def started(monkeypatch: pytest.MonkeyPatch, **given: str) -> tuple[Intake, Fleet]:
    """Both entries of a stack with these parameters."""
    for function in ("OnTrainingEnded", "Sweep"):
        environment = stack(**given).properties(function)["Environment"]["Variables"]
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
    intake = wiring.start.__wrapped__()
    fleet, _ = wiring.start_sweep.__wrapped__(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sweep")
    return intake, fleet


def put(name: str, value: str) -> None:
    ssm = boto3.client("ssm", region_name=REGION)
    ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


@pytest.mark.parametrize(
    ("ceiling", "switch", "mode"),
    [
        ("act", None, Mode.ACT),
        ("observe", None, Mode.OBSERVE),
        ("off", "act", Mode.OFF),
        ("act", "off", Mode.OFF),
    ],
)
def test_both_functions_go_by_the_more_careful_of_the_stacks_mode_and_the_switch(
    monkeypatch: pytest.MonkeyPatch, ceiling: str, switch: str | None, mode: Mode
) -> None:
    if switch is not None:
        put(SWITCH, switch)
    intake, fleet = started(monkeypatch, Mode=ceiling)
    assert (intake.world.switches().mode, fleet.switches.read().mode) == (mode, mode)


def test_both_functions_read_the_same_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    put("/resilience/resilience/breaker", "open")
    intake, fleet = started(monkeypatch)
    found = [read().breaker.state for read in (intake.world.switches, fleet.switches.read)]
    assert found == [Circuit.OPEN] * 2


def test_a_private_wandb_is_asked_at_its_path_and_under_the_authority_that_the_stack_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority()
    put("/wandb/ca", authority.pem)
    boto3.client("secretsmanager", region_name=REGION).create_secret(
        Name="resilience/wandb-api-key", SecretString=secrets.token_hex(20)
    )
    with https_server(authority, tmp_path) as server:
        base = f"{server.url}/behind/a/proxy"
        intake, _ = started(monkeypatch, WandbCaParameter="/wandb/ca", WandbBaseUrl=base)
        request = CheckpointRequest(entity="my-team", project="digits", collection="model-r1")
        intake.world.checkpoints.newest(request)
    assert set(server.asked) == {"/behind/a/proxy/graphql"}


def test_an_authority_that_is_not_there_keeps_the_function_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsMissing, match="/wandb/ca"):
        started(monkeypatch, WandbCaParameter="/wandb/ca")


def test_the_logs_of_jobs_are_read_unless_the_stack_says_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    intake, _ = started(monkeypatch)
    assert intake.world.logs is not None
    assert intake.world.logs.tails("a-job", 1) == ()
    intake, _ = started(monkeypatch, ReadJobLogs="no")
    assert intake.world.logs is None
