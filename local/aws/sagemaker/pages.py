"""Opaque page tokens: where the next page starts."""

import base64
import binascii
from typing import TypeVar

from local.aws.sagemaker.errors import validation

Item = TypeVar("Item")


def page(items: list[Item], token: str | None, size: int) -> tuple[list[Item], dict[str, str]]:
    """Return one page, and `NextToken` if there is another."""
    start = _start(token)
    end = start + size
    more = {"NextToken": base64.b64encode(f"at:{end}".encode()).decode()}
    return items[start:end], more if end < len(items) else {}


def _start(token: str | None) -> int:
    if not token:
        return 0
    try:
        kind, _, start = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise validation("Invalid pagination token.") from None
    if kind != "at" or not start.isdigit():
        raise validation("Invalid pagination token.")
    return int(start)
