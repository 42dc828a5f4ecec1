"""One delivery of EventBridge or Scheduler: attempts under a retry policy, then the dead letter.

Errors that a repetition cannot mend (no permission, no such target) go to the dead letter at once,
as on AWS; everything else is tried again with growing, jittered pauses.
"""

import contextvars
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

logger = logging.getLogger("local.event_path")

MAX_ATTEMPTS = 185
MAX_AGE_SECONDS = 86_400.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0


class DeliveryError(Exception):
    """A target that did not take the event; `code` as in the dead letter's ERROR_CODE."""

    def __init__(self, code: str, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


def not_permitted(message: str) -> DeliveryError:
    return DeliveryError("NO_PERMISSIONS", message, permanent=True)


def no_resource(message: str) -> DeliveryError:
    return DeliveryError("NO_RESOURCE", message, permanent=True)


@dataclass(frozen=True)
class RetryPolicy:
    max_retries: int = MAX_ATTEMPTS
    max_age_seconds: float = MAX_AGE_SECONDS


def retry_policy(target: Mapping[str, object]) -> RetryPolicy:
    asked = target.get("RetryPolicy")
    policy = asked if isinstance(asked, Mapping) else {}
    return RetryPolicy(
        int(policy.get("MaximumRetryAttempts", MAX_ATTEMPTS)),
        float(policy.get("MaximumEventAgeInSeconds", MAX_AGE_SECONDS)),
    )


@dataclass(frozen=True)
class GivenUp:
    error: DeliveryError
    retries: int
    exhausted: str | None

    def attributes(self) -> dict[str, str]:
        found = {"ERROR_CODE": self.error.code, "ERROR_MESSAGE": str(self.error)}
        if self.exhausted is not None:
            found["EXHAUSTED_RETRY_CONDITION"] = self.exhausted
            found["RETRY_ATTEMPTS"] = str(self.retries)
        return found


@dataclass(frozen=True)
class Clock:
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Delivery:
    attempt: Callable[[], None]
    give_up: Callable[[GivenUp], None]
    policy: RetryPolicy
    clock: Clock = Clock()

    def start(self) -> None:
        """Try once here; whatever has to wait waits on a thread of its own."""
        began = self.clock.now()
        error = self._try()
        if error is None:
            return
        if error.permanent:
            self.give_up(GivenUp(error, 0, None))
            return
        # The account and the region of the event travel in context variables.
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self.retry, error, began), daemon=True, name="redelivery"
        )
        thread.start()

    def retry(self, error: DeliveryError, began: float) -> None:
        for retries in range(self.policy.max_retries):
            pause = _pause(retries)
            if self.clock.now() + pause - began > self.policy.max_age_seconds:
                self.give_up(GivenUp(error, retries, "MaximumEventAgeInSeconds"))
                return
            self.clock.sleep(pause)
            latest = self._try()
            if latest is None:
                return
            if latest.permanent:
                self.give_up(GivenUp(latest, retries + 1, None))
                return
            error = latest
        self.give_up(GivenUp(error, self.policy.max_retries, "MaximumRetryAttempts"))

    def _try(self) -> DeliveryError | None:
        try:
            self.attempt()
        except DeliveryError as error:
            logger.warning("not delivered: %s: %s", error.code, error)
            return error
        return None


def _pause(retries: int) -> float:
    longest: float = min(FIRST_PAUSE_SECONDS * 2**retries, LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - jitter, not a secret
