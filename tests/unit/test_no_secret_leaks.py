"""A secret that stands wherever a job, a message or W&B may hold one is told to nobody.

What a job's owner wrote goes on to the successor, by design; and a body that nobody can read is set
aside as it came.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from resilience.decide.decisions import Lookup
from resilience.errors import CreateRefused
from resilience.wire import tags
from tests.unit.leaky_scene import Scene, deployed_scene, event, run, run_sweep
from tests.unit.recovery_world import (
    CAPACITY,
    GPU,
    JOB,
    OUT_OF_MEMORY,
    PROOF,
    ROLE_REFUSED,
    SUCCESSOR,
    TAGS,
    WANDB,
    verdict_of,
)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with deployed_scene(monkeypatch) as made:
        yield made


Setting = Callable[[Scene], None]


def relaunched(scene: Scene) -> None:
    scene.end()


def relaunched_among_strange_versions(scene: Scene) -> None:
    """Others have logged into the collection: a run, a digest, aliases and a store."""
    node = {"state": "COMMITTED", "versionIndex": 7, "aliases": [{"alias": scene.canary}]}
    scene.wire.more_versions = (
        node | {"digest": "d", "metadata": scene.canary, "createdBy": {"name": f"{scene.canary}/"}},
        node | {"digest": f"{{{scene.canary}", "metadata": None, "createdBy": {"name": "night-1"}},
        *_elsewhere(scene.canary),
    )
    scene.end()


def _elsewhere(canary: str) -> Iterator[dict[str, object]]:
    """Versions of the lineage's run whose bytes lie where nobody allowed it, or nowhere."""
    for number, store in enumerate((f"s3://bucket/{canary}/", f"s3://{canary}", [canary])):
        yield {
            "state": "COMMITTED",
            "versionIndex": 20 + number,
            "digest": "d",
            "aliases": [],
            "metadata": {"step": 900, "store": store},
            "createdBy": {"name": "night-1"},
        }


def stopped_by_its_store(scene: Scene) -> None:
    scene.world.wandb.drop(WANDB)
    scene.world.wandb.add(WANDB)
    scene.wire.more_versions = tuple(_elsewhere(scene.canary))
    scene.end()


def capacity(scene: Scene) -> None:
    scene.never_trained()
    scene.end(CAPACITY)


def start_refused(scene: Scene) -> None:
    scene.never_trained()
    scene.end(ROLE_REFUSED)


def out_of_memory(scene: Scene) -> None:
    scene.end(OUT_OF_MEMORY)


def no_rule_knows_it(scene: Scene) -> None:
    scene.end("something else:")


def completed(scene: Scene) -> None:
    scene.job(TAGS | {tags.COMPLETED: PROOF})
    scene.end(status="Completed", secondary="Completed")


def stopped(scene: Scene) -> None:
    scene.end(status="Stopped", secondary="Stopped")


def a_status_of_their_own(scene: Scene) -> None:
    scene.job(TrainingJobStatus="InProgress")


def not_opted_in(scene: Scene) -> None:
    scene.job({"WANDB_PROJECT": scene.canary}, Environment={"TEXT": scene.canary})
    scene.end()


def no_project_name(scene: Scene) -> None:
    scene.job(TAGS | {"WANDB_PROJECT": f"../{scene.canary}"}, Environment={"TEXT": scene.canary})
    scene.end()


def a_key_for_a_project(scene: Scene) -> None:
    names = {"WANDB_ENTITY": scene.canary, "WANDB_PROJECT": scene.canary}
    scene.job(TAGS | names, Environment={"TEXT": scene.canary})
    scene.end()


def a_key_for_a_project_that_was_fixed(scene: Scene) -> None:
    scene.job(TAGS | {"WANDB_ENTITY": scene.canary, "WANDB_PROJECT": scene.canary})
    scene.end()


def owned(scene: Scene) -> None:
    scene.job(TuningJobArn=f"arn:aws:sagemaker:::{scene.canary}")
    scene.end()


def judged_in_other_words(scene: Scene) -> None:
    scene.job(
        TAGS | {tags.VERDICT: scene.canary, tags.REASON: scene.canary, tags.DUE: scene.canary}
    )
    scene.end()


def a_mode_of_their_own(scene: Scene) -> None:
    scene.job(TAGS | {tags.MODE: scene.canary})
    scene.end()


def the_switch_says_something_else(scene: Scene) -> None:
    scene.wire.mode = scene.canary
    scene.end()


def a_wait_nobody_wrote(scene: Scene) -> None:
    scene.job(TAGS | {tags.WAITING: f"1 {scene.canary}"})
    scene.end()


def overridden_with_words(scene: Scene) -> None:
    scene.job(TAGS | {"resilience:max-jobs": scene.canary})
    scene.end()


def another_image(scene: Scene) -> None:
    image = {"TrainingImage": f"elsewhere/{scene.canary}", "TrainingInputMode": "File"}
    scene.job(AlgorithmSpecification=image)
    scene.end()


def another_role(scene: Scene) -> None:
    scene.job(RoleArn=f"arn:aws:iam::111122223333:role/{scene.canary}")
    scene.end()


def not_clonable(scene: Scene) -> None:
    arn = f"arn:aws:sagemaker:us-east-1:111122223333:model-package-group/{scene.canary}"
    scene.job(ModelPackageConfig={"ModelPackageGroupArn": arn})
    scene.end()


def too_long(scene: Scene) -> None:
    scene.job(Environment={"KEY": scene.canary * 20})
    scene.end()


def a_tag_that_create_rejects(scene: Scene) -> None:
    scene.job(TAGS | {"note": f"{{{scene.canary}}}"})
    scene.end()


def wandb_refuses(scene: Scene) -> None:
    scene.world.wandb.lookup = Lookup.REFUSED
    scene.end()


def wandb_is_down(scene: Scene) -> None:
    scene.world.wandb.lookup = Lookup.UNAVAILABLE
    scene.end()


def wandb_is_cut(scene: Scene) -> None:
    scene.wire.cut_wandb = True
    scene.end()


def wandb_answers_errors(scene: Scene) -> None:
    scene.wire.wandb_errors = True
    scene.end()


def refused(code: str, text: str) -> Setting:
    def setting(scene: Scene) -> None:
        scene.world.sagemaker.refuse_create(CreateRefused(code, text))
        scene.end()

    return setting


def name_taken(scene: Scene) -> None:
    scene.world.sagemaker.put(
        SUCCESSOR, {"TrainingJobStatus": "InProgress"}, {tags.PARENT: scene.canary}
    )
    scene.end()


def the_job_is_gone(scene: Scene) -> None:
    scene.world.sagemaker.delete(JOB)


WAYS: dict[str, tuple[Setting, str]] = {
    "relaunched": (relaunched, "resumed_from_checkpoint"),
    "strange versions": (relaunched_among_strange_versions, "resumed_from_checkpoint"),
    "stopped by its store": (stopped_by_its_store, "store_not_allowed"),
    "overridden with words": (overridden_with_words, "resumed_from_checkpoint"),
    "capacity": (capacity, "capacity_unavailable"),
    "wandb refuses": (wandb_refuses, "wandb_refused"),
    "wandb is down": (wandb_is_down, "wandb_unavailable"),
    "wandb is cut": (wandb_is_cut, "wandb_unavailable"),
    "wandb answers errors": (wandb_answers_errors, "wandb_unavailable"),
    "throttled": (refused("ThrottlingException", "Rate exceeded"), "throttled"),
    "out of memory": (out_of_memory, "resumed_from_checkpoint"),
    "start refused": (start_refused, "permission_denied"),
    "no rule knows it": (no_rule_knows_it, "resumed_from_checkpoint"),
    "another image": (another_image, "image_not_allowed"),
    "another role": (another_role, "role_not_allowed"),
    "not clonable": (not_clonable, "not_clonable"),
    "too long": (too_long, "limit_reached"),
    "a tag that create rejects": (a_tag_that_create_rejects, "limit_reached"),
    "a wait nobody wrote": (a_wait_nobody_wrote, "lineage_tags_malformed"),
    "refused": (refused("ValidationException", "1 validation error"), "request_rejected"),
    "name taken": (name_taken, "name_taken"),
    "completed": (completed, "completed"),
    "stopped": (stopped, "stopped_by_user"),
    "goes on": (a_status_of_their_own, "not_ended"),
    "not opted in": (not_opted_in, "not_opted_in"),
    "no project name": (no_project_name, "tags_invalid"),
    "a key for a project": (a_key_for_a_project, "project_not_allowed"),
    "a key over a project": (a_key_for_a_project_that_was_fixed, "tags_contradict_launch"),
    "owned": (owned, "owned_elsewhere"),
    "judged in other words": (judged_in_other_words, "already_decided"),
    "a mode of their own": (a_mode_of_their_own, "resumed_from_checkpoint"),
    "the switch says something else": (the_switch_says_something_else, "resumed_from_checkpoint"),
    "gone": (the_job_is_gone, "job_not_found"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_verdict_tells_a_secret(way: str, scene: Scene) -> None:
    setting, reason = WAYS[way]
    setting(scene)
    run(scene)
    assert scene.reason == reason
    assert scene.canary not in scene.told()


def test_what_the_owner_wrote_goes_on_to_the_successor(scene: Scene) -> None:
    scene.end()
    run(scene)
    (request,) = scene.world.sagemaker.requests
    carried = {name for name, value in request.items() if scene.canary in repr(value)}
    assert carried == {
        "Environment",
        "HyperParameters",
        "InputDataConfig",
        "OutputDataConfig",
        "Tags",
    }
    assert (scene.world.sagemaker.tags(SUCCESSOR) or {})["owner"] == scene.canary


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Completed", "InProgress"])
def test_an_event_that_is_full_of_secrets_tells_none(status: str, scene: Scene) -> None:
    scene.end()
    told = json.loads(event(scene))
    told["detail"]["TrainingJobStatus"] = status
    run(scene, json.dumps(told))
    assert scene.reason == "resumed_from_checkpoint"
    assert scene.canary not in scene.told()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"source": "canary"}, "other_detail_type"),
        ({"account": "canary"}, "other_account"),
        ({"region": "canary"}, "other_region"),
        ({"detail-type": "canary"}, "other_detail_type"),
        ({"detail": "canary"}, "message_malformed"),
        ({"detail": {"TrainingJobName": "a canary"}}, "message_malformed"),
    ],
)
def test_a_message_that_is_not_taken_is_not_quoted(
    changed: dict[str, object], reason: str, scene: Scene
) -> None:
    run(scene, event(scene, **json.loads(json.dumps(changed).replace("canary", scene.canary))))
    assert scene.reason == reason
    assert scene.canary not in scene.told()


@pytest.mark.parametrize("body", ["canary", '{"detail-type": ["canary"]}', "{canary", "[" * 9000])
def test_a_body_that_nobody_can_read_is_set_aside_and_only_there(body: str, scene: Scene) -> None:
    body = body.replace("canary", scene.canary)
    run(scene, body)
    (letter,) = scene.wire.bodies("SendMessage")
    assert json.loads(letter)["MessageBody"] == body
    assert scene.reason == "message_malformed"
    assert scene.canary not in scene.told()


FAULTS = {
    "DescribeTrainingJob": "AccessDeniedException",
    "ListTags": "AccessDeniedException",
    "CreateTrainingJob": "InternalFailure",
    "AddTags": "ValidationException",
    "Publish": "AuthorizationError",
    "GetParameters": "AccessDeniedException",
    "GetSecretValue": "InternalServiceError",
}


# Without Scheduler a wait stands all the same, and a notice is sent rather twice than never.
BEST_EFFORT: dict[str, Setting] = {"CreateSchedule": capacity, "GetSchedule": relaunched}


@pytest.mark.parametrize("operation", BEST_EFFORT)
def test_a_scheduler_that_quotes_a_secret_holds_nothing_up_and_is_not_quoted(
    operation: str, scene: Scene
) -> None:
    scene.wire.refuse = {operation: "ValidationException"}
    BEST_EFFORT[operation](scene)
    run(scene)
    assert scene.answer == {"batchItemFailures": []}
    assert verdict_of(scene.world) in {"WAIT", "RELAUNCH"}
    assert operation in {one.operation for one in scene.wire.sent}
    assert scene.canary not in scene.told()


@pytest.mark.parametrize("operation", FAULTS)
def test_a_service_that_quotes_a_secret_in_its_refusal_is_not_quoted(
    operation: str, scene: Scene
) -> None:
    scene.wire.refuse = {operation: FAULTS[operation]}
    scene.end()
    run(scene)
    assert scene.answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert "Traceback" in scene.log
    assert scene.canary not in scene.told()


@pytest.mark.parametrize("operation", sorted(FAULTS.keys() | BEST_EFFORT.keys()))
def test_an_answer_that_cannot_be_parsed_is_not_quoted(operation: str, scene: Scene) -> None:
    scene.wire.garbled = frozenset({operation})
    BEST_EFFORT.get(operation, relaunched)(scene)
    run(scene)
    assert scene.canary not in scene.told()


def test_a_dead_letter_that_cannot_be_sent_is_not_quoted(scene: Scene) -> None:
    scene.wire.refuse = {"SendMessage": "InvalidMessageContents"}
    run(scene, scene.canary)
    assert scene.answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert scene.canary not in scene.told()


def test_a_secret_of_another_form_is_not_quoted(scene: Scene) -> None:
    scene.wire.wandb_key = json.dumps({"KEY": scene.canary})
    scene.end()
    run(scene)
    assert (scene.reason, verdict_of(scene.world)) == ("wandb_refused", "WAIT")
    assert scene.canary not in scene.told()


@pytest.mark.parametrize("reason", [GPU, CAPACITY, OUT_OF_MEMORY])
def test_only_the_names_of_an_allowed_place_are_told_and_only_in_the_log(
    reason: str, scene: Scene
) -> None:
    """What remains, by design: an operator must see where the checkpoints were looked for."""
    named = {key: f"{key.lower()}-{scene.canary}" for key in (tags.PROJECT, tags.CHECKPOINT_NAME)}
    own = {"owner": scene.canary} | TAGS | named
    scene.job({key: own[key] for key in own if key != tags.RUN_ID}, Environment={"K": scene.canary})
    scene.end(reason)
    run(scene)
    (line,) = (json.loads(line) for line in scene.log.splitlines() if '"facts"' in line)
    place = line["facts"].pop("request")
    assert {place["project"], place["collection"]} == set(named.values())
    asked = [one for one in scene.wire.sent if one.operation == "wandb"]
    scene.wire.sent = [one for one in scene.wire.sent if one not in asked]
    scene.log = json.dumps(line)
    assert scene.canary not in scene.told()


def test_the_sweep_tells_names_of_jobs_and_nothing_else(scene: Scene) -> None:
    scene.end()
    run_sweep(scene)
    assert scene.wire.bodies("SendMessageBatch")
    assert scene.canary not in scene.told()


def test_the_secrets_of_these_tests_are_seen_where_they_are_told(scene: Scene) -> None:
    """The tests above can fail: one word of the job in the log, and it is found."""
    scene.end()
    run(scene)
    assert scene.canary not in scene.told()
    scene.log += scene.canary
    assert scene.canary in scene.told()
