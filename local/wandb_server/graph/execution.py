"""One GraphQL request: parse and validate (once per document), execute, choose the status."""

import logging
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from local.wandb_server.graph.mutations import Mutation
from local.wandb_server.graph.queries import Query
from local.wandb_server.graph.resolution import RefusedError, resolve_field, resolve_type
from local.wandb_server.workspace import Workspace

LOG = logging.getLogger(__name__)
INTERNAL_ERROR = 500
SCHEMA = Path(__file__).parent.parent / "schema"


@cache
def schema() -> GraphQLSchema:
    texts = [path.read_text() for path in sorted(SCHEMA.glob("*.graphql"))]
    return build_schema("\n".join(texts))


@dataclass(frozen=True)
class Prepared:
    """A document ready to run, or the errors for which it cannot be."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]

    def fields(self) -> list[str]:
        """The fields at the top, which say what the request does: `commitArtifact`."""
        if self.document is None:
            return []
        return [
            selection.name.value
            for operation in self.document.definitions
            if isinstance(operation, OperationDefinitionNode)
            for selection in operation.selection_set.selections
            if hasattr(selection, "name")
        ]

    def name(self) -> str:
        """The operation's own name, for counting."""
        for operation in self.document.definitions if self.document else ():
            if isinstance(operation, OperationDefinitionNode) and operation.name:
                return operation.name.value
        return next(iter(self.fields()), "invalid")


@lru_cache(maxsize=512)
def prepare(text: str) -> Prepared:
    try:
        document = parse(text)
    except GraphQLError as error:
        return Prepared(None, (error,))
    errors = validate(schema(), document)
    return Prepared(None if errors else document, tuple(errors))


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


def _refusal(prepared: Prepared) -> Answer:
    return Answer(400, {"errors": [error.formatted for error in prepared.errors]})


def run(
    workspace: Workspace,
    prepared: Prepared,
    variables: dict[str, Any] | None,
    operation_name: str | None,
) -> Answer:
    if prepared.document is None:
        return _refusal(prepared)
    result = execute_sync(
        schema(),
        prepared.document,
        root_value=_root(workspace, prepared.document),
        variable_values=variables,
        operation_name=operation_name or None,
        field_resolver=resolve_field,
        type_resolver=resolve_type,
    )
    return _answer(result)


def _root(workspace: Workspace, document: DocumentNode) -> Query | Mutation:
    operations = [
        node.operation.value
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]
    return Mutation(workspace) if "mutation" in operations else Query(workspace)


def _answer(result: ExecutionResult) -> Answer:
    if not result.errors:
        return Answer(200, {"data": result.data})
    for error in result.errors:
        if _status(error) == INTERNAL_ERROR:
            LOG.error("a field could not be resolved", exc_info=error.original_error)
    return Answer(
        max(map(_status, result.errors)),
        {"data": result.data, "errors": [error.formatted for error in result.errors]},
    )


def _status(error: GraphQLError) -> int:
    """Refusals carry theirs; bad variables are the client's; the rest is a fault of this server."""
    cause = error.original_error
    if isinstance(cause, RefusedError):
        return cause.status
    if isinstance(error, RefusedError):
        return error.status
    return 400 if cause is None else INTERNAL_ERROR
