"""How a field of the schema finds its answer.

Field `summaryMetrics(packVersion)` of type Run is the method `summary_metrics(pack_version=…)` of
the node that stands for the run. The argument every mutation has is `input` in the schema and
`given` here, `id` is `key`: neither may shadow a builtin.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Protocol

from graphql import GraphQLError, GraphQLResolveInfo

RENAMED = {"input": "given", "id": "key"}


class RefusedError(GraphQLError):
    """An error W&B answers with a status of its own, and the operation's field set to null."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(RefusedError):
    def __init__(self, message: str) -> None:
        super().__init__(message, 404)


class InvalidError(RefusedError):
    def __init__(self, message: str) -> None:
        super().__init__(message, 400)


class ConflictError(RefusedError):
    def __init__(self, message: str) -> None:
        super().__init__(message, 409)


@cache
def python_name(name: str) -> str:
    """`clientIDMapping` is `client_id_mapping`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return RENAMED.get(name, spaced.lower())


def resolve_field(source: object, info: GraphQLResolveInfo, **arguments: object) -> object:
    """The attribute or method called like the field; a mapping answers by its own keys."""
    if isinstance(source, Mapping):
        return source.get(info.field_name)
    name = "id" if info.field_name == "id" else python_name(info.field_name)
    found = getattr(source, name)
    if not callable(found):
        return found
    return found(**{python_name(key): value for key, value in arguments.items()})


class Typed(Protocol):
    typename: str


def resolve_type(node: Typed, *_: object) -> str:
    """Nodes of an interface or a union say which type they are."""
    return node.typename
