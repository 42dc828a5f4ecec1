"""Reads back what is there, in CloudFormation's vocabulary, from each service's own API."""

from collections.abc import Mapping
from typing import Any

from local.deploy.access import Access
from local.deploy.live import events, functions, identity, messages, watching
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource

READERS: Mapping[str, Reader] = {
    **events.READERS,
    **functions.READERS,
    **identity.READERS,
    **messages.READERS,
    **watching.READERS,
}


def read(access: Access, resource: Resource) -> dict[str, Any] | None:
    """The live properties, or None for a type that nobody reads here."""
    reader = READERS.get(resource.kind)
    return None if reader is None else reader(access, resource)
