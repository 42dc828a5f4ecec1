"""What the template asks of each resource, after SAM's transform and with everything resolved."""

import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.deploy.access import Access
from local.deploy.document import Document
from local.deploy.resolve import Scope, UnresolvableError
from local.deploy.stack import Stack

# SAM's transform complains of metrics of its own that it did not send.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Resource:
    name: str
    kind: str
    physical_id: str
    properties: Mapping[str, Document]
    unresolvable: Mapping[str, str]


def transformed(template: Mapping[str, Document], access: Access) -> dict[str, Document]:
    """The plain CloudFormation template that SAM makes of it."""
    translator = Translator({}, Parser(), boto_session=access.session)
    made: dict[str, Document] = translator.translate(copy.deepcopy(dict(template)), {})
    return made


def resources(
    template: Mapping[str, Document], parameters: Mapping[str, str], stack: Stack
) -> Iterator[Resource]:
    """Every resource that the stack must have, in the template's order."""
    physical_ids = stack.physical_ids()
    scope = _scope(template, parameters, stack, physical_ids)
    for name, resource in template["Resources"].items():
        if "Condition" in resource and not scope.holds(resource["Condition"]):
            continue
        properties, unresolvable = _resolved(scope, resource.get("Properties", {}))
        physical_id = physical_ids.get(name, "")
        yield Resource(name, resource["Type"], physical_id, properties, unresolvable)


def _resolved(
    scope: Scope, properties: Mapping[str, Document]
) -> tuple[dict[str, Document], dict[str, str]]:
    found: dict[str, Document] = {}
    unresolvable: dict[str, str] = {}
    for name, value in properties.items():
        try:
            found.update(scope.resolve({name: value}))
        except UnresolvableError as error:
            unresolvable[name] = str(error)
    return found, unresolvable


def _scope(
    template: Mapping[str, Document],
    parameters: Mapping[str, str],
    stack: Stack,
    physical_ids: Mapping[str, str],
) -> Scope:
    account, region = stack.access.account(), stack.access.region
    declared = template.get("Parameters", {})
    given = {
        name: _value(d, parameters.get(name, d.get("Default"))) for name, d in declared.items()
    }
    pseudo = {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack.name,
    }

    def attribute(kind: str, physical_id: str, name: str) -> str:
        return _attribute(kind, physical_id, name, f"{region}:{account}")

    return Scope(template, {**given, **pseudo}, physical_ids, attribute)


def _value(declared: Mapping[str, Document], given: Document) -> Document:
    if given is None or not str(declared.get("Type", "")).startswith(("CommaDelimited", "List<")):
        return given
    return [part.strip() for part in str(given).split(",")]


# Physical id to ARN; `{where}` is region and account.
ARNS = {
    "AWS::SQS::Queue": "arn:aws:sqs:{where}:{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{where}:function:{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::Events::Rule": "arn:aws:events:{where}:rule/{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{where}:log-group:{id}:*",
    "AWS::KMS::Key": "arn:aws:kms:{where}:key/{name}",
    "AWS::Scheduler::ScheduleGroup": "arn:aws:scheduler:{where}:schedule-group/{name}",
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:{where}:alarm:{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
}


def _attribute(kind: str, physical_id: str, attribute: str, where: str) -> str:
    account, name = where.partition(":")[2], physical_id.rsplit("/", 1)[-1]
    if attribute == "Arn" and kind in ARNS:
        return ARNS[kind].format(where=where, account=account, name=name, id=physical_id)
    if (kind, attribute) == ("AWS::SQS::Queue", "QueueName"):
        return name
    if (kind, attribute) == ("AWS::SNS::Topic", "TopicName"):
        return physical_id.rsplit(":", 1)[-1]
    if (kind, attribute) == ("AWS::SNS::Topic", "TopicArn"):
        return physical_id
    raise UnresolvableError(f"GetAtt {kind} {attribute}")
