"""The template as AWS would make it: transformed by SAM, with parameters and references put in."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "111122223333", "eu-west-1"
TRAINING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
GIVEN = {"AllowedEntityProjects": "my-team/*", "TrainingRoleArns": TRAINING_ROLE}
# Every optional parameter that adds something to the stack.
EVERYTHING = {
    "NotificationEmail": "oncall@example.com",
    "SecretKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/of-the-secret",
    "WandbCaParameter": "/wandb/ca",
    "SubnetIds": "subnet-1a,subnet-1b",
    "SecurityGroupIds": "sg-1a",
    "AllowedInstanceTypes": "ml.g5.*,ml.m5.large",
    "MaxRuntimeSeconds": "86400",
    "AllowedSubnetIds": "subnet-2a,subnet-2b",
    "TrainingJobPrefix": "vision-",
}
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "resilience",
    "AWS::URLSuffix": "amazonaws.com",
}
# What an ARN looks like for each type whose ARN the template asks for.
ARNS = {
    "AWS::CloudWatch::Alarm": "cloudwatch:{place}:alarm:{name}",
    "AWS::Events::Rule": "events:{place}:rule/{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::KMS::Key": "kms:{place}:key/{name}",
    "AWS::Lambda::Function": "lambda:{place}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{place}:log-group:{name}:*",
    "AWS::Scheduler::ScheduleGroup": "scheduler:{place}:schedule-group/{name}",
    "AWS::SNS::Topic": "sns:{place}:{name}",
    "AWS::SQS::Queue": "sqs:{place}:{name}",
}
NO_VALUE = object()
REF_IS_ARN = {"AWS::SNS::Topic", "AWS::IAM::ManagedPolicy"}


def source() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return parsed


@dataclass(frozen=True)
class Stack:
    resources: Mapping[str, Mapping[str, Any]]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {
            name: dict(resource.get("Properties", {}))
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def properties(self, name: str) -> dict[str, Any]:
        return dict(self.resources[name]["Properties"])

    def arn(self, name: str) -> str:
        shape = ARNS[self.resources[name]["Type"]]
        return "arn:aws:" + shape.format(place=f"{REGION}:{ACCOUNT}", account=ACCOUNT, name=name)

    def named(self, arn: str) -> str:
        """The resource that an ARN belongs to; no resource of ours is a KeyError."""
        by_arn = {self.arn(n): n for n, r in self.resources.items() if r["Type"] in ARNS}
        return by_arn[arn]

    def statements(self, role_arn: str) -> list[dict[str, Any]]:
        policies = self.properties(self.named(role_arn))["Policies"]
        return [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]


@cache
def stack(**given: str) -> Stack:
    """The whole stack for these parameters, and the defaults for the others."""
    parsed = source()
    declared = parsed["Parameters"]
    parameters = {name: p.get("Default") for name, p in declared.items()} | GIVEN | given
    packaged = copy.deepcopy(parsed)
    packaged["Globals"]["Function"]["CodeUri"] = "s3://packages/functions.zip"
    session = boto3.Session(region_name=REGION)
    transformed = Translator({}, Parser(), boto_session=session).translate(packaged, {})
    return Stack(_Resolver(transformed, declared, parameters).resources())


def with_everything() -> Stack:
    """The stack with every optional parameter given."""
    return stack(**EVERYTHING)


@dataclass(frozen=True)
class _Resolver:
    template: Mapping[str, Any]
    declared: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def resources(self) -> dict[str, dict[str, Any]]:
        wanted = {
            name: resource
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }
        return {name: self._value(resource) for name, resource in wanted.items()}

    def _value(self, node: Any) -> Any:  # noqa: ANN401 — a template holds anything
        if isinstance(node, list):
            values = [self._value(item) for item in node]
            return [value for value in values if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and (found := self._intrinsic(*next(iter(node.items())))) is not None:
            return found
        members = {key: self._value(value) for key, value in node.items()}
        return {key: value for key, value in members.items() if value is not NO_VALUE}

    def _intrinsic(self, name: str, argument: Any) -> Any:  # noqa: ANN401 — the same
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": lambda text: re.sub(r"\$\{([^}]+)\}", lambda m: str(self._ref(m[1])), text),
            "Fn::Join": lambda parts: parts[0].join(self._value(parts[1])),
            "Fn::Split": lambda parts: self._value(parts[1]).split(parts[0]),
            "Fn::If": lambda parts: self._value(parts[1 if self._condition(parts[0]) else 2]),
        }
        if name in functions:
            return functions[name](argument)
        if name.startswith("Fn::"):
            raise NotImplementedError(name)
        return None

    def _ref(self, name: str) -> Any:  # noqa: ANN401 — the same
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.declared:
            value = self.parameters[name]
            is_list = self.declared[name]["Type"] == "CommaDelimitedList"
            return value.split(",") if is_list else value
        resource = self.template["Resources"][name]
        return self._arn(name) if resource["Type"] in REF_IS_ARN else name

    def _attribute(self, path: Any) -> str:  # noqa: ANN401 — the same
        name, attribute = path if isinstance(path, list) else path.split(".", 1)
        return self._arn(name) if attribute == "Arn" else name

    def _arn(self, name: str) -> str:
        return Stack(self.template["Resources"]).arn(name)

    def _condition(self, name: str) -> bool:
        return bool(self._truth(self.template["Conditions"][name]))

    def _truth(self, node: Mapping[str, Any]) -> bool:
        ((name, argument),) = node.items()
        if name == "Fn::Not":
            return not self._truth(argument[0])
        if name == "Fn::And":
            return all(self._truth(part) for part in argument)
        if name == "Fn::Equals":
            return str(self._value(argument[0])) == str(self._value(argument[1]))
        raise NotImplementedError(name)


def every_value(node: object, key: str) -> Iterator[Any]:
    """Every value under a key, however deep."""
    if isinstance(node, Mapping):
        if key in node:
            yield node[key]
        for value in node.values():
            yield from every_value(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from every_value(item, key)
