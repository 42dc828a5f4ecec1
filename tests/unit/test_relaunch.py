"""The successor's request: nothing of the job is lost, nothing is sent that SageMaker refuses."""

import re
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from resilience import relaunch
from resilience.decide import naming
from resilience.decide.decisions import Ledger, Reason, Successor
from resilience.relaunch import Source
from resilience.wire import tags
from tests.unit.lineages import REQUEST, checkpoint
from tests.unit.strategies import JOB_NAMES, LEDGERS, OWN_TAGS, REJECTED, WAITS

MODEL = botocore.session.get_session().get_service_model("sagemaker")
CREATE = MODEL.operation_model("CreateTrainingJob").input_shape
DESCRIBE = MODEL.operation_model("DescribeTrainingJob").output_shape
SHARED = sorted(CREATE.members.keys() & DESCRIBE.members.keys())
# Members that a successor gets of its own, that start paid jobs, or that are refused as a whole.
OF_ITS_OWN = {"TrainingJobName", "Environment"}
NOT_CARRIED = (
    OF_ITS_OWN | relaunch.DROPPED.keys() | relaunch.NEVER_CARRIED.keys() | set(relaunch.REFUSED)
)
ROLE = "arn:aws:iam::111122223333:role/training"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/digits:1"
OPTED_IN = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", "WANDB_CHECKPOINT_NAME": "model-r1"}
USUAL: Mapping[str, str] = {}
SUCCESSOR = Successor(
    name="root-r3",
    root="root",
    parent="root-r2",
    attempt=3,
    checkpoint=checkpoint("v4", 40),
    ledger=Ledger(ends=(("infrastructure", 2),)),
    rejected=("v5", "v7"),
    waiting=None,
)


def sample(shape: Any) -> Any:  # noqa: ANN401 — botocore has no types
    """A value with every member filled that a shape allows."""
    match shape.type_name:
        case "structure":
            return {name: sample(member) for name, member in shape.members.items()}
        case "list":
            return [sample(shape.member)]
        case "map":
            return {"k": sample(shape.value)}
        case "boolean":
            return True
        case "integer" | "long" | "float" | "double":
            return max(1, shape.metadata.get("min", 1))
        case "string":
            return shape.enum[0] if shape.enum else "x" * max(3, shape.metadata.get("min", 3))
        case other:
            raise AssertionError(other)


def described(more: Mapping[str, object]) -> dict[str, object]:
    """What Describe shows of a small and usual job."""
    return {
        "TrainingJobName": "root-r2",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/root-r2",
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": "Failed",
        "FailureReason": "InternalServerError: We encountered an internal error.",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    } | dict(more)


def composed(
    shown: Mapping[str, object] = USUAL,
    own: Mapping[str, str] = OPTED_IN,
    successor: Successor = SUCCESSOR,
) -> dict[str, Any]:
    return relaunch.compose(Source(described(shown), own, REQUEST, "r1"), successor, CREATE)


def environment(own: Mapping[str, str] = USUAL, successor: Successor = SUCCESSOR) -> dict[str, str]:
    found = composed({"Environment": own}, successor=successor)["Environment"]
    assert isinstance(found, dict)
    return found


def test_the_two_operations_share_the_members_that_the_facts_tell_of() -> None:
    assert len(SHARED) >= 26
    assert NOT_CARRIED - {"SessionChainingConfig"} <= set(SHARED)


@pytest.mark.parametrize("member", sorted(set(SHARED) - NOT_CARRIED))
def test_every_member_that_create_and_describe_share_survives_a_relaunch(member: str) -> None:
    full = sample(CREATE.members[member])
    for echoed in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member == "ResourceConfig":
            full.pop(echoed, None)
    found = composed({member: full, "EnableManagedSpotTraining": True})
    assert found[member] == full


@pytest.mark.parametrize("member", relaunch.DROPPED)
def test_rules_that_start_paid_jobs_are_carried_only_when_asked(member: str) -> None:
    rules = sample(CREATE.members[member])
    assert member not in composed({member: rules})
    keep = OPTED_IN | {"resilience:debug-rules": "keep"}
    assert composed({member: rules}, keep)[member] == rules


def test_a_request_composed_from_everything_at_once_is_one_that_botocore_takes() -> None:
    everything = {name: sample(CREATE.members[name]) for name in SHARED}
    request = composed(everything | {"TrainingJobName": "root-r2"})
    assert not ParamValidator().validate(request, CREATE).has_errors()


def test_what_describe_only_reports_is_not_sent() -> None:
    request = composed({"ModelArtifacts": sample(DESCRIBE.members["ModelArtifacts"])})
    assert request.keys() <= CREATE.members.keys()
    assert "ModelArtifacts" not in request
    assert "FailureReason" not in request


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        ("VpcConfig", {}),
        ("VpcConfig", None),
        ("InputDataConfig", []),
        ("InputDataConfig", None),
        ("CheckpointConfig", {"S3Uri": ""}),
        ("RetryStrategy", None),
    ],
)
def test_what_is_shown_as_empty_is_left_out(member: str, shown: object) -> None:
    assert member not in composed({member: shown})


def test_empty_keys_and_content_types_are_left_out_and_the_rest_is_kept() -> None:
    channel = {
        "ChannelName": "train",
        "ContentType": "",
        "CompressionType": "None",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train"}},
    }
    request = composed(
        {
            "InputDataConfig": [channel],
            "OutputDataConfig": {"S3OutputPath": "s3://b/out", "KmsKeyId": ""},
        }
    )
    assert request["InputDataConfig"] == [{k: v for k, v in channel.items() if v}]
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://b/out"}


def test_false_and_zero_are_values() -> None:
    request = composed(
        {"EnableNetworkIsolation": False, "RetryStrategy": {"MaximumRetryAttempts": 0}}
    )
    assert request["EnableNetworkIsolation"] is False
    assert request["RetryStrategy"] == {"MaximumRetryAttempts": 0}


def test_a_warm_pool_is_kept_and_one_that_is_none_is_not_sent() -> None:
    resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    for seconds, kept in ((0, {}), (600, {"KeepAlivePeriodInSeconds": 600})):
        shown = resources | {"KeepAlivePeriodInSeconds": seconds, "SelectedInstanceCount": 1}
        assert composed({"ResourceConfig": shown})["ResourceConfig"] == resources | kept


GROUPS = [{"InstanceGroupName": "gpus", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2}]
PREFERENCES = [{"InstanceType": "ml.g5.xlarge"}, {"InstanceType": "ml.g6.xlarge"}]


@pytest.mark.parametrize(
    "several", [{"InstanceGroups": GROUPS}, {"InstancePreferences": PREFERENCES}]
)
@pytest.mark.parametrize("empty", [{}, {"InstanceType": "", "InstanceCount": 0}])
def test_an_empty_kind_or_count_beside_several_kinds_is_an_echo_and_not_sent(
    several: dict[str, object], empty: dict[str, object]
) -> None:
    shown = several | {"VolumeSizeInGB": 100} | empty
    assert composed({"ResourceConfig": shown})["ResourceConfig"] == several | {
        "VolumeSizeInGB": 100
    }
    assert composed({"ResourceConfig": shown | {"VolumeSizeInGB": 0}})["ResourceConfig"] == several
    counted = several | {"InstanceCount": 4, "VolumeSizeInGB": 100}
    assert composed({"ResourceConfig": counted})["ResourceConfig"] == counted


def test_a_shell_that_was_opened_into_a_job_is_not_opened_into_its_successor() -> None:
    for enabled in (True, False):
        shown = {"RemoteDebugConfig": {"EnableRemoteDebug": enabled}}
        keep = OPTED_IN | {"resilience:debug-rules": "keep"}
        assert "RemoteDebugConfig" not in composed(shown, keep)


@pytest.mark.parametrize(
    "key",
    [
        "sagemaker:domain-arn",
        "sagemaker:user-profile-arn",
        "SageMaker:space-arn",
        "sagemaker:pipeline-execution-arn",
        "MANAGED_BY_AWS",
        "AWS_STEP_FUNCTIONS_EXECUTION_ARN",
    ],
)
def test_a_tag_by_which_aws_marks_a_job_that_it_made_is_not_inherited(key: str) -> None:
    tags_sent = [one["Key"] for one in composed(own=OPTED_IN | {key: "x", "team": "x"})["Tags"]]
    assert key not in tags_sent
    assert "team" in tags_sent
    fits = {f"k{number}": "" for number in range(36)}
    assert obstacles(own=OPTED_IN | fits | {key: ""}) == []


METRICS = [{"Name": "loss", "Regex": "loss=(.*)"}]
OVERRIDDEN = "You can't override the metric definitions for Amazon SageMaker algorithms."


def test_metrics_that_sagemaker_refuses_to_be_given_back_are_left_out_and_nothing_else() -> None:
    own = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
    request = composed({"AlgorithmSpecification": own | {"MetricDefinitions": METRICS}})
    assert request["AlgorithmSpecification"]["MetricDefinitions"] == METRICS
    smaller = relaunch.without_injected(request, OVERRIDDEN)
    assert smaller == request | {"AlgorithmSpecification": own}
    assert relaunch.without_injected(smaller, OVERRIDDEN) is None
    assert relaunch.without_injected(request, "Could not assume role") is None
    assert relaunch.without_injected({"TrainingJobName": "a"}, OVERRIDDEN) is None


def test_a_longest_wait_is_sent_only_for_spot() -> None:
    limits = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    spot = composed({"StoppingCondition": limits, "EnableManagedSpotTraining": True})
    assert spot["StoppingCondition"] == limits
    on_demand = composed({"StoppingCondition": limits, "EnableManagedSpotTraining": False})
    assert on_demand["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}


def test_what_is_described_is_not_changed_by_composing_from_it() -> None:
    limits = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    shown = described(
        {"StoppingCondition": limits, "HyperParameters": {"sagemaker_job_name": '"a"'}}
    )
    before = repr(shown)
    relaunch.compose(Source(shown, OPTED_IN, REQUEST, "r1"), SUCCESSOR, CREATE)
    assert repr(shown) == before


def test_the_hyperparameters_are_kept_but_for_the_jobs_own_name() -> None:
    own = {"lr": "0.1", "empty": "", "sagemaker_program": '"train.py"'}
    assert composed({"HyperParameters": own})["HyperParameters"] == own
    renamed = composed({"HyperParameters": own | {"sagemaker_job_name": '"root-r2"'}})
    assert renamed["HyperParameters"] == own | {"sagemaker_job_name": '"root-r3"'}


def test_the_environment_says_what_to_resume_and_keeps_the_jobs_own() -> None:
    own = {"SEED": "7", "EMPTY": "", "WANDB_RUN_ID": "old", "RESILIENCE_CHECKPOINT": "stale"}
    assert environment(own) == {
        "SEED": "7",
        "EMPTY": "",
        "WANDB_RUN_ID": "r1",
        "WANDB_RESUME": "allow",
        "RESILIENCE_ROOT": "root",
        "RESILIENCE_ATTEMPT": "3",
        "RESILIENCE_PARENT": "root-r2",
        "RESILIENCE_LEDGER": "infrastructure=2",
        "RESILIENCE_COLLECTION": "team/digits/model-r1",
        "RESILIENCE_CHECKPOINT": "team/digits/model-r1:v4",
        "RESILIENCE_CHECKPOINT_DIGEST": "digest-v4",
        "RESILIENCE_CHECKPOINT_STEP": "40",
        "RESILIENCE_REJECTED": "v5 v7",
    }


@pytest.mark.parametrize("text", ["s3://b/pre", "s3://b/pre/", "nonsense", ""])
def test_the_store_of_the_launch_goes_on_to_each_successor_as_it_was_written(text: str) -> None:
    assert environment({"RESILIENCE_STORE": text})["RESILIENCE_STORE"] == text
    assert "RESILIENCE_STORE" not in environment({})


def test_where_nobody_knows_the_run_the_environment_names_none() -> None:
    request = relaunch.compose(Source(described({}), OPTED_IN, REQUEST, None), SUCCESSOR, CREATE)
    found = request["Environment"]
    assert isinstance(found, dict)
    assert tags.RUN_ID not in found


def test_a_successor_loads_by_the_alias_that_its_tag_names_from_the_lineages_collection() -> None:
    own = OPTED_IN | {tags.CHECKPOINT_NAME: "of-somebody-else:best"}
    sent = {pair["Key"]: pair["Value"] for pair in composed(own=own)["Tags"]}
    assert sent[tags.CHECKPOINT_NAME] == "model-r1:best"


def test_a_start_from_the_beginning_carries_no_checkpoint_of_the_attempt_before() -> None:
    beginning = Successor(
        name="root-r3",
        root="root",
        parent="root-r2",
        attempt=3,
        checkpoint=None,
        ledger=Ledger(),
        rejected=(),
        waiting=None,
    )
    stale = {"RESILIENCE_CHECKPOINT": "team/digits/model-r1:v1", "RESILIENCE_REJECTED": "v9"}
    found = environment(stale, beginning)
    assert not {name for name in found if name.startswith("RESILIENCE_CHECKPOINT")}
    assert "RESILIENCE_REJECTED" not in found


# --- what forbids a successor


def obstacles(
    shown: Mapping[str, object] = USUAL, own: Mapping[str, str] = OPTED_IN
) -> list[tuple[Reason, str]]:
    images = ("111122223333.dkr.ecr.*.amazonaws.com/*",)
    return list(relaunch.obstacles(described(shown), own, images, (ROLE,)))


def test_a_usual_job_meets_no_obstacle() -> None:
    assert obstacles() == []


@pytest.mark.parametrize("member", relaunch.REFUSED)
def test_what_cannot_be_cloned_faithfully_is_refused_by_name(member: str) -> None:
    assert obstacles({member: {"some": "thing"}}) == [(Reason.NOT_CLONABLE, member)]
    assert obstacles({member: {}}) == []


@pytest.mark.parametrize(
    "algorithm",
    [
        {"TrainingImage": "evil.example/miner:latest"},
        {"TrainingImage": "999988887777.dkr.ecr.eu-west-1.amazonaws.com/digits:1"},
        {"AlgorithmName": "arn:aws:sagemaker:eu-west-1:999988887777:algorithm/miner"},
    ],
)
def test_an_image_or_algorithm_that_is_not_on_the_list_is_refused(
    algorithm: dict[str, str],
) -> None:
    assert [reason for reason, _ in obstacles({"AlgorithmSpecification": algorithm})] == [
        Reason.IMAGE_NOT_ALLOWED
    ]


RULES = ("DebugRuleConfigurations", "ProfilerRuleConfigurations")
KEEP = OPTED_IN | {"resilience:debug-rules": "keep"}


@pytest.mark.parametrize("member", RULES)
def test_the_image_of_a_rule_that_is_kept_has_to_be_on_the_list_as_well(member: str) -> None:
    allowed, foreign = {"RuleEvaluatorImage": IMAGE}, {"RuleEvaluatorImage": "evil.example/rule:1"}
    assert obstacles({member: [allowed]}, KEEP) == []
    refused = [(Reason.IMAGE_NOT_ALLOWED, member)]
    assert obstacles({member: [allowed, foreign]}, KEEP) == refused
    assert obstacles({member: [{"RuleConfigurationName": "r"}]}, KEEP) == refused
    assert obstacles({member: [foreign]}) == []
    assert obstacles({member: "evil.example/rule:1"}, KEEP) == []


NESTED = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/digits:1"


@pytest.mark.parametrize(
    ("glob", "image", "allowed"),
    [
        ("*", NESTED, True),
        ("*digits:1", NESTED, True),
        ("*digits:2", NESTED, False),
        ("111122223333.dkr.ecr.*.amazonaws.com/team/*", NESTED, True),
        ("111122223333.dkr.ecr.*.amazonaws.com/else/*", NESTED, False),
        ("*.amazonaws.com/*", "evil.example/x.amazonaws.com/digits", False),
    ],
)
def test_an_image_is_allowed_as_a_whole_or_by_registry_and_path(
    glob: str, image: str, *, allowed: bool
) -> None:
    shown = described({"AlgorithmSpecification": {"TrainingImage": image}})
    refused = [] if allowed else [(Reason.IMAGE_NOT_ALLOWED, "AlgorithmSpecification")]
    assert list(relaunch.obstacles(shown, OPTED_IN, (glob,), (ROLE,))) == refused


@pytest.mark.parametrize("role", [ROLE + "2", None, "arn:aws:iam::111122223333:role/admin"])
def test_a_role_that_is_not_on_the_list_is_refused(role: object) -> None:
    assert obstacles({"RoleArn": role}) == [(Reason.ROLE_NOT_ALLOWED, "RoleArn")]


@pytest.mark.parametrize(("own", "over"), [(39, 0), (40, 1), (47, 8), (50, 11)])
def test_a_job_too_full_of_tags_is_found_out_before_anything_is_created(
    own: int, over: int
) -> None:
    full = OPTED_IN | {f"k{number}": "" for number in range(own - len(OPTED_IN))}
    found = obstacles(own=full | {"aws:cloudformation:stack-name": "x"})
    assert [reason for reason, _ in found] == [Reason.LIMIT_REACHED] * bool(over)
    assert not found or found[0][1].endswith(f"50 allowed; remove {over}")


# --- limits


def limit(shown: Mapping[str, object] = USUAL, own: Mapping[str, str] = OPTED_IN) -> str | None:
    return relaunch.limit_reached(composed(shown, own))


def test_a_usual_successor_is_within_every_limit() -> None:
    assert limit() is None


def test_what_a_request_does_not_have_breaks_no_limit() -> None:
    assert relaunch.limit_reached({"TrainingJobName": "digits"}) is None


@pytest.mark.parametrize(
    ("own", "more", "names"),
    [
        ({f"k{number}": "" for number in range(36)}, {}, "Tags: 51"),
        ({}, {"Environment": {f"K{number}": "" for number in range(91)}}, "Environment: 102"),
        ({}, {"Environment": {"K": "x" * 513}}, "Environment: a value is over 512"),
        ({}, {"HyperParameters": {f"k{n}": "" for n in range(101)}}, "HyperParameters: 101"),
        ({}, {"HyperParameters": {"k": "x" * 2501}}, "HyperParameters: a value is over 2500"),
        ({"k" * 129: ""}, {}, "Tags: a key is over 128"),
        ({"k": "x" * 257}, {}, "Tags: a value is over 256"),
        ({"k": "a{b}"}, {}, "Tags: a value"),
        ({"k\n": ""}, {}, "Tags: a key"),
    ],
)
def test_a_limit_is_named_with_its_remedy_before_the_call(
    own: dict[str, str], more: dict[str, object], names: str
) -> None:
    found = limit(more, OPTED_IN | own)
    assert found is not None
    assert found.startswith(names)
    assert re.search("remove|shorten|not allowed", found)


def test_how_many_entries_are_too_many_is_told() -> None:
    crowded = {"Environment": {f"K{number}": "" for number in range(91)}}
    assert limit(crowded) == "Environment: 102 entries, 100 allowed; remove 2"


def test_a_name_that_sagemaker_would_refuse_is_a_limit() -> None:
    for name in ("a" * 64, "-a", "a_b", ""):
        found = relaunch.limit_reached(composed() | {"TrainingJobName": name})
        assert found is not None
        assert found.startswith("TrainingJobName")


def test_the_longest_key_and_value_of_a_tag_fit() -> None:
    assert limit(own=OPTED_IN | {"k" * 128: "x" * 256}) is None


def test_what_exactly_fits_fits() -> None:
    own = OPTED_IN | {f"k{number}": "ü 1_.:/=+-@" for number in range(35)}
    full = {f"K{number}": "x" * 512 for number in range(89)}
    most = {f"k{number}": "x" * 2500 for number in range(100)}
    assert limit({"Environment": full, "HyperParameters": most}, own) is None


SUCCESSORS = st.builds(
    lambda root, attempt, chosen, ledger, rejected, waiting: Successor(
        name=naming.successor_name(root, attempt),
        root=root,
        parent=naming.successor_name(root, attempt - 1),
        attempt=attempt,
        checkpoint=chosen,
        ledger=ledger,
        rejected=rejected,
        waiting=waiting,
    ),
    JOB_NAMES,
    st.integers(2, 500),
    st.none() | st.builds(checkpoint, st.just("v3"), st.none() | st.integers(0, 10**18)),
    LEDGERS,
    REJECTED,
    WAITS,
)
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
TAG = re.compile(r"[\w \u00a0.:/=+@-]*")


@settings(max_examples=200)
@given(OWN_TAGS, SUCCESSORS, st.integers(0, 100))
def test_a_successor_fits_or_its_limit_is_named(
    own: dict[str, str], successor: Successor, entries: int
) -> None:
    full = {f"K{number}": "" for number in range(entries)}
    request = composed({"Environment": full}, OPTED_IN | own, successor)
    assert NAME.fullmatch(request["TrainingJobName"])
    sent = {pair["Key"]: pair["Value"] for pair in request["Tags"]}
    fits = (
        len(sent) <= 50
        and all(TAG.fullmatch(key) and len(key) <= 128 for key in sent)
        and all(TAG.fullmatch(value) and len(value) <= 256 for value in sent.values())
        and len(request["Environment"]) <= 100
        and all(len(value) <= 512 for value in request["Environment"].values())
    )
    assert fits or relaunch.limit_reached(request) is not None
    verdict = tags.OF_THE_DECIDED
    if relaunch.limit_reached(request) is None:
        assert len(sent.keys() | verdict) <= 50, "it has room for its own verdict"


@given(OWN_TAGS, SUCCESSORS)
def test_the_early_look_at_tags_never_refuses_what_would_have_fitted(
    own: dict[str, str], successor: Successor
) -> None:
    early = any(reason is Reason.LIMIT_REACHED for reason, _ in obstacles(own=OPTED_IN | own))
    late = relaunch.limit_reached(composed(USUAL, OPTED_IN | own, successor))
    assert not early or (late is not None and late.startswith("Tags"))
