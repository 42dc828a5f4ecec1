# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Puts our matching in the place of MiniStack's, wherever CloudWatch Logs takes a pattern."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import cloudwatch_logs

from local.aws.filter_patterns.errors import InvalidPatternError
from local.aws.filter_patterns.matching import Matcher, matcher

Operation = Callable[[dict[str, Any]], Any]
_matcher = lru_cache(256)(matcher)


def install() -> None:
    for name in ("_filter_log_events", "_put_subscription_filter", "_put_metric_filter"):
        setattr(cloudwatch_logs, name, _checked(getattr(cloudwatch_logs, name)))
    cloudwatch_logs._compile_filter_pattern = _compiled
    cloudwatch_logs._subscription_pattern_matches = _matches


def _compiled(pattern: str | None) -> Matcher:
    return _matcher(pattern or "")


def _matches(pattern: str | None, message: str | None) -> bool:
    return _matcher(pattern or "")(message or "")


def _checked(operation: Operation) -> Operation:
    """Refuse a pattern before anything is done by it, as AWS does."""

    def performed(data: dict[str, Any]) -> Any:  # noqa: ANN401 - MiniStack's answer
        try:
            _matcher(data.get("filterPattern") or "")
        except InvalidPatternError as error:
            return error_response_json(
                "InvalidParameterException", f"Invalid filter pattern: {error}", 400
            )
        return operation(data)

    return performed
