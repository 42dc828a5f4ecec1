"""The functions of the template are the functions of the code, and get what the code reads."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience import settings
from resilience.decide.decisions import Mode, Policy
from resilience.decide.stores import Store
from resilience.registries import DEEP_LEARNING_CONTAINERS
from tests.template.stack import source, stack, with_everything

STACK = stack()
FUNCTIONS = STACK.of_type("AWS::Lambda::Function")
READ_BY = {"OnTrainingEnded": settings.of_on_training_ended, "Sweep": settings.of_sweep}
Reader = Callable[[Mapping[str, str]], object]


class Watched(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        self.asked: set[str] = set()
        self._variables = {name: str(value) for name, value in variables.items()}

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def environment(function: str) -> Watched:
    return Watched(FUNCTIONS[function]["Environment"]["Variables"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_handler_is_a_function_of_an_event_and_a_context(function: str) -> None:
    module, _, name = FUNCTIONS[function]["Handler"].partition(".")
    handler = getattr(importlib.import_module(module), name)
    assert len(inspect.signature(handler).parameters) == 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_every_setting_that_its_code_reads_and_no_other(function: str) -> None:
    given = environment(function)
    READ_BY[function](given)
    assert given.asked == {name for name in given if not name.startswith("POWERTOOLS_")}


def test_the_defaults_of_the_template_are_the_defaults_of_the_policy() -> None:
    assert settings.of_on_training_ended(environment("OnTrainingEnded")).policy == Policy()


def test_every_number_of_the_policy_can_be_deployed() -> None:
    assert {f"RESILIENCE_{one.name.upper()}" for one in fields(Policy)} <= set(
        environment("OnTrainingEnded")
    )


def test_by_default_an_image_comes_from_this_account_or_from_aws_deep_learning_containers() -> None:
    own, aws = settings.of_on_training_ended(environment("OnTrainingEnded")).allowed_images
    assert own == "111122223333.dkr.ecr.*.amazonaws.com/*"
    assert aws == "763104351884.dkr.ecr.*.amazonaws.com/*"


@pytest.mark.parametrize(("region", "account"), DEEP_LEARNING_CONTAINERS.items())
def test_by_default_each_region_takes_the_containers_of_the_account_that_aws_has_there(
    region: str, account: str
) -> None:
    there = {"RESILIENCE_QUEUE_ARN": f"arn:aws:sqs:{region}:111122223333:ended"}
    given = Watched({**environment("OnTrainingEnded"), **there})
    _, aws = settings.of_on_training_ended(given).allowed_images
    assert aws == f"{account}.dkr.ecr.*.amazonaws.com/*"


def test_where_aws_has_no_known_registry_only_this_accounts_images_are_taken() -> None:
    there = {"RESILIENCE_QUEUE_ARN": "arn:aws:sqs:xx-new-1:111122223333:ended"}
    given = Watched({**environment("OnTrainingEnded"), **there})
    assert settings.of_on_training_ended(given).allowed_images == (
        "111122223333.dkr.ecr.*.amazonaws.com/*",
    )


def test_images_that_are_named_take_the_place_of_the_default() -> None:
    named = stack(AllowedImages="ghcr.io/me/*,ghcr.io/you/*").of_type("AWS::Lambda::Function")
    variables = Watched(named["OnTrainingEnded"]["Environment"]["Variables"])
    assert settings.of_on_training_ended(variables).allowed_images == (
        "ghcr.io/me/*",
        "ghcr.io/you/*",
    )


def test_no_store_is_allowed_but_those_that_are_named() -> None:
    assert settings.of_on_training_ended(environment("OnTrainingEnded")).allowed_stores == ()
    named = stack(CheckpointStores="s3://my-bucket/checkpoints/,s3://b/c/d/")
    variables = Watched(named.properties("OnTrainingEnded")["Environment"]["Variables"])
    assert settings.of_on_training_ended(variables).allowed_stores == (
        Store("my-bucket", ("checkpoints",)),
        Store("b", ("c", "d")),
    )


TAKEN = re.compile(source()["Parameters"]["CheckpointStores"]["AllowedPattern"])


@given(st.from_regex(TAKEN, fullmatch=True).filter(lambda text: 0 < len(text) <= 100))
def test_a_store_that_the_template_takes_is_one_that_the_function_reads(text: str) -> None:
    variables = Watched({**environment("OnTrainingEnded"), "RESILIENCE_ALLOWED_STORES": text})
    (store,) = settings.of_on_training_ended(variables).allowed_stores
    assert text == f"s3://{store.bucket}/{'/'.join(store.folders)}/"


def test_the_word_for_aws_registry_may_stand_in_a_list_of_ones_own() -> None:
    named = stack(AllowedImages="ghcr.io/me/*,deep-learning-containers.dkr.ecr.*/pytorch-*")
    variables = Watched(named.properties("OnTrainingEnded")["Environment"]["Variables"])
    assert settings.of_on_training_ended(variables).allowed_images == (
        "ghcr.io/me/*",
        "763104351884.dkr.ecr.*/pytorch-*",
    )


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("mode", ["act", "observe", "off"])
def test_the_mode_of_the_stack_is_a_ceiling_above_a_switch_that_the_stack_does_not_own(
    function: str, mode: str
) -> None:
    deployed = stack(Mode=mode)
    read = READ_BY[function](Watched(deployed.properties(function)["Environment"]["Variables"]))
    assert isinstance(read, (settings.Settings, settings.SweepSettings))
    assert (read.mode, read.mode_parameter) == (Mode(mode), "/resilience/resilience/mode")
    assert read.breaker_parameter == "/resilience/resilience/breaker"
    assert not deployed.of_type("AWS::SSM::Parameter"), "a deploy would set it back"
    assert source()["Outputs"]["ModeParameter"]["Value"] == {
        "Fn::Sub": "/resilience/${AWS::StackName}/mode"
    }


def test_a_job_is_not_relaunched_for_ever_and_the_sweep_looks_as_far_back() -> None:
    assert settings.of_on_training_ended(environment("OnTrainingEnded")).policy.max_age_days == 15
    strict = stack(MaxAgeDays="1")
    relauncher = Watched(strict.properties("OnTrainingEnded")["Environment"]["Variables"])
    sweep = Watched(strict.properties("Sweep")["Environment"]["Variables"])
    assert settings.of_on_training_ended(relauncher).policy.max_age_days == 1
    assert settings.of_sweep(sweep).lookback_seconds == 86_400


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_in_a_vpc_where_subnets_are_named_and_in_none_elsewhere(
    function: str,
) -> None:
    assert "VpcConfig" not in STACK.properties(function)
    assert with_everything().properties(function)["VpcConfig"] == {
        "SubnetIds": ["subnet-1a", "subnet-1b"],
        "SecurityGroupIds": ["sg-1a"],
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_powertools_knows_its_service_and_namespace(function: str) -> None:
    assert {name for name in environment(function) if name.startswith("POWERTOOLS_")} == {
        "POWERTOOLS_SERVICE_NAME",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_LOG_LEVEL",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_on_python_3_13_and_arm_unless_told(function: str) -> None:
    properties = FUNCTIONS[function]
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    assert (properties["Timeout"], properties["MemorySize"]) == (60, 512)
    on_x86 = stack(Architecture="x86_64").of_type("AWS::Lambda::Function")
    assert on_x86[function]["Architectures"] == ["x86_64"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_built_by_our_builder_from_the_folder_that_ships(function: str) -> None:
    written = source()
    assert written["Resources"][function]["Metadata"] == {"BuildMethod": "makefile"}
    assert written["Globals"]["Function"]["CodeUri"] == "functions/"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_json_to_a_group_of_its_own(function: str) -> None:
    logging = FUNCTIONS[function]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    assert logging["ApplicationLogLevel"] == environment(function)["POWERTOOLS_LOG_LEVEL"]
    sharers = [
        f for f in FUNCTIONS.values() if f["LoggingConfig"]["LogGroup"] == logging["LogGroup"]
    ]
    assert len(sharers) == 1
    assert logging["LogGroup"] in STACK.of_type("AWS::Logs::LogGroup")


@pytest.mark.parametrize("group", STACK.of_type("AWS::Logs::LogGroup"))
def test_a_log_is_kept_for_a_while_and_survives_its_stack(group: str) -> None:
    assert STACK.properties(group)["RetentionInDays"] == 90
    shorter = stack(LogRetentionDays=7).properties(group)
    assert shorter["RetentionInDays"] == 7
    assert STACK.resources[group]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert STACK.resources[group]["UpdateReplacePolicy"] == "Retain"
