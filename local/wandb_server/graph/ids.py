"""Ids as W&B writes them: base64 of `Type:number`, for runs of `Run:v1:name:project:entity`."""

import base64
import binascii

from local.wandb_server.graph.resolution import InvalidError


def encode(kind: str, *parts: object) -> str:
    return base64.b64encode(":".join([kind, *map(str, parts)]).encode()).decode()


def decode(node_id: str) -> list[str]:
    try:
        return base64.b64decode(node_id, validate=True).decode().split(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidError(f"invalid id: {node_id}") from None


def number(kind: str, node_id: str) -> int:
    """The row behind an id of this kind."""
    found, _, digits = ":".join(decode(node_id)).partition(":")
    if found != kind or not digits.isdecimal():
        raise InvalidError(f"not an id of {kind}: {node_id}")
    return int(digits)
