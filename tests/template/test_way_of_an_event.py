"""Whatever happens on the way of an event, the event has somewhere to go."""

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

from tests.template.stack import ACCOUNT, REGION, every_value, stack

STACK = stack()
QUEUES = STACK.of_type("AWS::SQS::Queue")
FUNCTIONS = STACK.of_type("AWS::Lambda::Function")
MAPPINGS = STACK.of_type("AWS::Lambda::EventSourceMapping")
SCHEDULES = STACK.of_type("AWS::Scheduler::Schedule")
RULES = STACK.of_type("AWS::Events::Rule")
TWO_WEEKS = 1_209_600


def dead_letter_queues() -> set[str]:
    redriven = {
        q["RedrivePolicy"]["deadLetterTargetArn"] for q in QUEUES.values() if "RedrivePolicy" in q
    }
    others = {config["Arn"] for config in every_value(STACK.resources, "DeadLetterConfig")}
    handed_over = {config["Destination"] for config in every_value(STACK.resources, "OnFailure")}
    return {STACK.named(arn) for arn in redriven | others | handed_over}


def may_send(role_arn: str, queue_arn: str) -> bool:
    return any(
        "sqs:SendMessage" in _as_list(s["Action"]) and queue_arn in _as_list(s["Resource"])
        for s in STACK.statements(role_arn)
    )


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def queue_answers(queue: str, *, source: str, secure: bool = True, principal: str = "*") -> str:
    """What the queue's own policy says to EventBridge on behalf of a rule, or to a principal."""
    context = EvalContext(
        principal_arn=principal,
        principal_type="Service",
        principal_account="",
        action="sqs:SendMessage",
        resource_arn=STACK.arn(queue),
        region=REGION,
        secure_transport=secure,
        service_context={"aws:sourcearn": source},
    )
    document = STACK.properties(f"{queue}Policy")["PolicyDocument"]
    service = "events.amazonaws.com" if source else None
    return str(evaluate_resource_policy(document, context, service=service).decision)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_message_stays_hidden_for_six_times_as_long_as_its_function_may_take(
    mapping: str,
) -> None:
    source = QUEUES[STACK.named(MAPPINGS[mapping]["EventSourceArn"])]
    function = FUNCTIONS[MAPPINGS[mapping]["FunctionName"]]
    assert source["VisibilityTimeout"] >= 6 * function["Timeout"]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_message_is_tried_for_more_than_an_hour_before_it_is_given_up_on(mapping: str) -> None:
    """An hour without AddTags dead-letters nothing; nor does polling that is throttled."""
    source = QUEUES[STACK.named(MAPPINGS[mapping]["EventSourceArn"])]
    redrive = source["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 5
    assert (redrive["maxReceiveCount"] - 1) * source["VisibilityTimeout"] > 3600
    assert STACK.named(redrive["deadLetterTargetArn"]) in QUEUES


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_one_bad_message_does_not_bring_its_batch_back(mapping: str) -> None:
    assert MAPPINGS[mapping]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert MAPPINGS[mapping]["BatchSize"] <= 10


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_batch_ends_within_its_functions_time_when_wandb_hangs(mapping: str) -> None:
    lookup, calls_of_aws = 15, 5  # seconds a job: what a lookup may take in all, and the rest
    function = FUNCTIONS[MAPPINGS[mapping]["FunctionName"]]
    assert MAPPINGS[mapping]["BatchSize"] * (lookup + calls_of_aws) <= 0.75 * function["Timeout"]


@pytest.mark.parametrize("queue", QUEUES)
def test_the_policy_of_a_queue_names_that_queue_alone(queue: str) -> None:
    policy = STACK.properties(f"{queue}Policy")
    assert policy["Queues"] == [queue]
    named = set(every_value(policy["PolicyDocument"], "Resource"))
    assert named == {STACK.arn(queue)}


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_queue_is_drained_more_slowly_than_sagemaker_throttles(mapping: str) -> None:
    assert 2 <= MAPPINGS[mapping]["ScalingConfig"]["MaximumConcurrency"] < 16


@pytest.mark.parametrize("rule", RULES)
def test_what_a_rule_cannot_deliver_is_retried_and_then_kept(rule: str) -> None:
    for target in RULES[rule]["Targets"]:
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 86_400,
            "MaximumRetryAttempts": 185,
        }
        dead_letters = STACK.named(target["DeadLetterConfig"]["Arn"])
        assert queue_answers(dead_letters, source=STACK.arn(rule)) == "Allow"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_a_schedule_cannot_deliver_is_retried_and_then_kept(schedule: str) -> None:
    target = SCHEDULES[schedule]["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] >= 1
    assert may_send(target["RoleArn"], target["DeadLetterConfig"]["Arn"])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_that_a_schedule_started_and_that_failed_is_kept(schedule: str) -> None:
    function = STACK.named(SCHEDULES[schedule]["Target"]["Arn"])
    configs = STACK.of_type("AWS::Lambda::EventInvokeConfig").values()
    (config,) = [c for c in configs if c["FunctionName"] == function]
    kept_in = config["DestinationConfig"]["OnFailure"]["Destination"]
    assert may_send(FUNCTIONS[function]["Role"], kept_in)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_two_stacks_in_one_account_do_not_fight_over_the_name_of_a_schedule(schedule: str) -> None:
    assert "Name" not in SCHEDULES[schedule]


def test_the_function_can_set_a_message_aside_itself() -> None:
    function = FUNCTIONS["OnTrainingEnded"]
    url = function["Environment"]["Variables"]["RESILIENCE_DEAD_LETTER_URL"]
    assert url in dead_letter_queues()
    assert may_send(function["Role"], STACK.arn(url))


@pytest.mark.parametrize("queue", sorted(dead_letter_queues()))
def test_a_dead_letter_lives_longer_than_the_message_it_was(queue: str) -> None:
    assert QUEUES[queue]["MessageRetentionPeriod"] == TWO_WEEKS
    sources = [q for q in QUEUES.values() if "RedrivePolicy" in q]
    assert all(q["MessageRetentionPeriod"] < TWO_WEEKS for q in sources)


def test_every_queue_is_a_source_with_dead_letters_or_holds_dead_letters() -> None:
    sources = {name for name, queue in QUEUES.items() if "RedrivePolicy" in queue}
    assert sources | dead_letter_queues() == set(QUEUES)
    assert not sources & dead_letter_queues()


@pytest.mark.parametrize("queue", QUEUES)
def test_every_queue_is_encrypted(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("queue", QUEUES)
def test_no_queue_answers_without_tls(queue: str) -> None:
    assert queue_answers(queue, source=STACK.arn("TrainingEnded"), secure=False) == "Deny"
    owner = f"arn:aws:iam::{ACCOUNT}:root"
    assert queue_answers(queue, source="", secure=False, principal=owner) == "Deny"


def test_our_rule_may_put_events_on_the_queue() -> None:
    assert queue_answers("TrainingEndedQueue", source=STACK.arn("TrainingEnded")) == "Allow"


@pytest.mark.parametrize("queue", QUEUES)
def test_no_other_rule_may_put_anything_on_a_queue(queue: str) -> None:
    for stranger in (
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/somebody-elses",
        f"arn:aws:events:{REGION}:999999999999:rule/TrainingEnded",
    ):
        assert queue_answers(queue, source=stranger) == "ImplicitDeny"


@pytest.mark.parametrize("queue", QUEUES)
def test_no_principal_gets_in_by_the_policy_of_a_queue(queue: str) -> None:
    for principal in ("*", "arn:aws:iam::999999999999:root"):
        assert queue_answers(queue, source="", principal=principal) == "ImplicitDeny"


def test_dead_letters_are_not_for_the_rule_to_write_beside_its_own() -> None:
    assert queue_answers("DeadLetterQueue", source=STACK.arn("TrainingEnded")) == "ImplicitDeny"
