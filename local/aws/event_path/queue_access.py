"""A batch is authorised as what it is a batch of: AWS knows no action sqs:SendMessageBatch."""

from ministack.core import iam_actions


def install() -> None:
    original = iam_actions.extract_iam_action

    def extract(service: str, *request: object) -> str | None:
        action: str | None = original(service, *request)
        return action.removesuffix("Batch") if action and service == "sqs" else action

    iam_actions.extract_iam_action = extract
