# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Loopback counts as TLS: this AWS serves plain HTTP to its own machine, and nothing leaves it.

A policy with `aws:SecureTransport` would otherwise refuse every caller there is here.
"""

import contextvars

from ministack import app
from ministack.core import iam_evaluator


def install() -> None:
    _mend_requests()
    _mend_services()


def _mend_requests() -> None:
    original = app.pin_request_origin

    def pin(source_ip: str, _secure: bool) -> None:  # noqa: FBT001 - MiniStack's signature
        original(source_ip, True)  # noqa: FBT003 - the same

    app.pin_request_origin = pin


def _mend_services() -> None:
    """What MiniStack delivers on its own behalf comes from no request: the default decides."""
    iam_evaluator._request_origin = contextvars.ContextVar(
        "local_request_origin", default=("127.0.0.1", True)
    )
