"""What can go wrong at the edges, translated once, at the adapter.

An adapter raises these `from None`: the service's own text may quote what a job or a tag holds, and
a traceback prints the whole chain.

ResilienceError
├── Retry            the call may have had its effect or not; the queue brings the message again
├── NameInUse        a job of this name exists; verify whose it is
├── CreateRefused    SageMaker refused the request for a reason that a rule can classify
├── KeyUnusable      the secret holds no W&B key that this function may use; a person must act
└── SettingsMissing  the function cannot start

wire.words.UnreadableTagError is a ValueError: what a tag or an Environment holds was never ours.
"""


class ResilienceError(Exception):
    """All errors of our own."""


class Retry(ResilienceError):  # noqa: N818 — it says what is to be done
    """Nothing is known about the effect; take the message up again later."""


class NameInUse(ResilienceError):  # noqa: N818 — the service calls it ResourceInUse
    """A job of this name exists already."""


class CreateRefused(ResilienceError):  # noqa: N818 — a refusal is an answer
    """CreateTrainingJob refused; `code` and `text` are the service's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class KeyUnusable(ResilienceError):  # noqa: N818 — the key is what is wrong
    """The W&B key is missing, not ours to read, or no key; the message names the secret alone."""


class SettingsMissing(ResilienceError):  # noqa: N818 — it says what is wrong
    """A setting is missing or malformed; the message names it."""
