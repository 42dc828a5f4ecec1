# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Topics under a key of their own: CloudFormation keeps the key, and who publishes must may use it.

MiniStack's stacks drop KmsMasterKeyId, and no publisher is asked for the key.
"""

from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.services import kms, sns
from ministack.services.cloudformation import provisioners

from local.aws import permissions

# What SNS does with the key in the publisher's name.
KEY_USES = ("kms:GenerateDataKey", "kms:Decrypt")

Properties = Mapping[str, Any]


def install() -> None:
    _keep_keys()
    _ask_for_keys()


def _keep_keys() -> None:
    create, update = provisioners._sns_create, provisioners._sns_update

    def create_keeping(logical_id: str, properties: Properties, stack: str) -> object:
        made = create(logical_id, properties, stack)
        _set_key(made[0], properties)
        return made

    def update_keeping(
        physical_id: str, old: Properties, new: Properties, *rest: object, **more: object
    ) -> object:
        changed = update(physical_id, old, new, *rest, **more)
        _set_key(changed[0], new)
        return changed

    handlers = provisioners._RESOURCE_HANDLERS["AWS::SNS::Topic"]
    handlers.update(create=create_keeping, update=update_keeping)


def _set_key(topic_arn: str, properties: Properties) -> None:
    attributes = sns._topics[topic_arn]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if properties.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = properties["KmsMasterKeyId"]


def _ask_for_keys() -> None:
    publish = sns._publish

    def publish_with_key(parameters: Properties) -> object:
        topic = sns._topics.get(sns._p(parameters, "TopicArn"))
        key = (topic or {}).get("attributes", {}).get("KmsMasterKeyId")
        missing = None if key is None else _missing_use(key)
        if missing is not None:
            message = f"The caller may not {missing} with the key of this topic"
            return sns._error("KMSAccessDenied", message, 400)
        return publish(parameters)

    sns._publish = publish_with_key


def _missing_use(key: str) -> str | None:
    """The first use of the key that the calling role is not allowed; users are not asked."""
    caller, found = iam_evaluator.caller_arn(), kms._resolve_key(key)
    if not app.AUTH or ":assumed-role/" not in caller:
        return None
    if found is None:
        return KEY_USES[0]
    role = permissions.role_of(caller)
    through = {"kms:viaservice": f"sns.{parse_arn(found['Arn']).region}.amazonaws.com"}
    uses = (u for u in KEY_USES if not permissions.role_allows(role, u, found["Arn"], through))
    return next(uses, None)
