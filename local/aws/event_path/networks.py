# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Functions keep the subnets that their template gives them; MiniStack's stacks drop VpcConfig."""

from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

Properties = Mapping[str, Any]


def install() -> None:
    create, update = provisioners._lambda_create, provisioners._lambda_update

    def create_keeping(logical_id: str, properties: Properties, stack: str) -> object:
        made = create(logical_id, properties, stack)
        _set_network(made[0], properties)
        return made

    def update_keeping(
        physical_id: str, old: Properties, new: Properties, *rest: object, **more: object
    ) -> object:
        changed = update(physical_id, old, new, *rest, **more)
        _set_network(changed[0], new)
        return changed

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    handlers.update(create=create_keeping, update=update_keeping)


def _set_network(function: str, properties: Properties) -> None:
    config = lambda_svc._functions[function]["config"]
    config["VpcConfig"] = lambda_svc._vpc_config_with_id(properties.get("VpcConfig"))
