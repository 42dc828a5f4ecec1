"""What a job writes into its log goes no further than what it writes into its FailureReason."""

import json
from collections.abc import Iterator, Mapping

import pytest

from local.in_memory import InMemoryWandb
from tests.unit.leaky_scene import Scene, deployed_scene, run
from tests.unit.recovery_world import JOB, WANDB

NOTHING = "AlgorithmError: ExecuteUserScriptError:\nExitCode 1"


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with deployed_scene(monkeypatch) as made:
        made.world.wandb = InMemoryWandb()  # the attempt has committed nothing
        made.world.wandb.have_project(WANDB.entity, WANDB.project)
        made.world.sagemaker.begin(JOB)
        yield made


def line_of(scene: Scene) -> Mapping[str, object]:
    (line,) = (json.loads(line) for line in scene.log.splitlines() if '"facts"' in line)
    facts: Mapping[str, object] = line["facts"]
    return facts


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered {}", "gpu_memory_error"),
        ("{}Error: {}", "exception"),
        ("ValueError: --key {}", "programming_error"),
        ("step 40 {}", "exit_code"),
    ],
)
def test_no_text_of_a_log_is_told_whatever_it_is_read_as(
    said: str, rule: str, scene: Scene
) -> None:
    scene.world.logs.write(
        JOB, f"export KEY={scene.canary}", said.format(scene.canary, scene.canary)
    )
    scene.end(NOTHING)
    run(scene)
    assert scene.wire.bodies("GetLogEvents")
    assert (line_of(scene)["log_read"], line_of(scene)["failure_rule"]) == ("found", rule)
    assert scene.canary not in scene.told()


@pytest.mark.parametrize("operation", ["DescribeLogStreams", "GetLogEvents"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_log_that_is_refused_is_not_quoted_and_the_job_is_decided_without_it(
    operation: str, code: str, scene: Scene
) -> None:
    scene.world.logs.write(JOB, "ECC error")
    scene.wire.refuse = {operation: code}
    scene.end(NOTHING)
    run(scene)
    assert scene.answer == {"batchItemFailures": []}
    assert line_of(scene)["log_read"] == "unavailable"
    assert scene.canary not in scene.told()


def test_no_log_is_read_for_a_reason_that_names_the_cause(scene: Scene) -> None:
    scene.end("ValueError: shapes do not match")
    run(scene)
    assert not scene.wire.bodies("DescribeLogStreams")
    assert line_of(scene)["log_read"] == "not_asked"
