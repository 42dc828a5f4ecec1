"""What a function's code calls, read off its wiring, its ports and what it fills them with."""

import ast
from collections.abc import Iterator
from functools import cache
from typing import get_args, get_type_hints

import botocore.session

from resilience.fleet.jobs import Fleet
from resilience.intake import Intake
from resilience.ports import World
from tests.template.stack import ROOT

FUNCTIONS = ROOT / "functions"
# What wires each entry, and the records of ports that it fills.
WIRED_BY = {"on_training_ended": "start", "sweep": "start_sweep"}
FILLED = {"on_training_ended": (World, Intake), "sweep": (Fleet,)}
CLIENTS = {
    "_client": "sagemaker",
    "_logs": "logs",
    "_sqs": "sqs",
    "_scheduler": "scheduler",
    "_sns": "sns",
    "_ssm": "ssm",
}
# Functions among the adapters, which no port describes.
PROVIDED = {
    "wandb_key": "secretsmanager:GetSecretValue",
    "stack_switches": "ssm:GetParameters",
    "wandb_trust": "ssm:GetParameter",
}
# What an entry takes from the adapters that asks AWS for nothing: W&B's connections, numbers.
ASKS_NO_AWS = {"graphql", "LEAD_SECONDS", "LOG_CALLS"}


def called_by(entry: str) -> set[str]:
    """The actions behind every call that this function's code can come to."""
    adapters = {name: node for path in _adapter_files() for name, node in _classes(path)}
    wanted = {method for record in FILLED[entry] for method in _port_methods(record)}
    calls: set[str] = set()
    for name in _used_adapters(WIRED_BY[entry]) - ASKS_NO_AWS:
        if name in adapters:
            calls |= _calls(adapters[name], wanted)
        elif name in PROVIDED:
            calls.add(PROVIDED[name])
        else:
            raise LookupError(f"{name} is no adapter that this test can read")
    return calls


def _adapter_files() -> Iterator[ast.Module]:
    for path in (FUNCTIONS / "resilience" / "adapters").glob("*.py"):
        yield ast.parse(path.read_text(encoding="utf-8"))


def _classes(module: ast.Module) -> Iterator[tuple[str, ast.ClassDef]]:
    return ((node.name, node) for node in module.body if isinstance(node, ast.ClassDef))


def _used_adapters(wired_by: str) -> set[str]:
    """What a function of the wiring uses of the adapters, itself or by what it calls there."""
    module = ast.parse((FUNCTIONS / "resilience" / "wiring.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    open_, seen, used = [wired_by], set(), set()
    while open_:
        name = open_.pop()
        seen.add(name)
        used |= {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        open_ += sorted((used & functions.keys()) - seen - set(open_))
    return used & set(_imported_adapters(module))


def _imported_adapters(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "resilience.adapters"
        ):
            yield from (alias.name for alias in node.names)


def _port_methods(record: type) -> Iterator[str]:
    for hint in get_type_hints(record).values():
        for port in (hint, *get_args(hint)):  # one that a stack may do without is a union
            if getattr(port, "_is_protocol", False):
                yield from (name for name in vars(port) if not name.startswith("_"))


def _calls(adapter: ast.ClassDef, wanted: set[str]) -> set[str]:
    methods = {node.name: node for node in adapter.body if isinstance(node, ast.FunctionDef)}
    open_, seen, calls = [name for name in methods if name in wanted], set(), set()
    while open_:
        name = open_.pop()
        seen.add(name)
        for holder, used in _attributes_of_self(methods[name]):
            if holder in CLIENTS and used != "meta":
                calls.add(_action(CLIENTS[holder], used))
            elif holder in methods and holder not in seen:
                open_.append(holder)
    return calls


def _attributes_of_self(method: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Each `self.a` as (a, "") and each `self.a.b` as (a, b)."""
    for node in ast.walk(method):
        if not isinstance(node, ast.Attribute):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr, "meta"
        elif isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Name):
            yield node.value.attr, node.attr


def _action(service: str, method: str) -> str:
    (operation,) = (one for one in _operations(service) if botocore.xform_name(one) == method)
    # A batch is authorised as what it is a batch of.
    return f"{service}:{operation.removesuffix('Batch')}"


@cache
def _operations(service: str) -> list[str]:
    names: list[str] = botocore.session.get_session().get_service_model(service).operation_names
    return names
