"""What this SageMaker refuses, with the codes and the words that AWS uses."""

from typing import assert_never

from local.doubts import Missing


class AwsError(Exception):
    """An answer other than success: its code, its message and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_found() -> AwsError:
    # The model names ResourceNotFound; AWS answers every missing training job with this instead.
    return validation("Requested resource not found.")


def missing(how: Missing) -> AwsError:
    """A training job that is not there, where nobody knows how the operation says so."""
    match how:
        case Missing.KNOWN:
            return not_found()
        case Missing.OTHER_TEXT:
            return validation("Could not find the training job.")
        case Missing.DENIED:
            return AwsError("AccessDeniedException", "The caller is not authorized to do this.")
        case _:
            assert_never(how)


def name_taken(arn: str) -> AwsError:
    return AwsError(
        "ResourceInUse",
        f"Training job names must be unique within an AWS account and region, {arn}",
    )


def still_running(arn: str, status: str) -> AwsError:
    return AwsError(
        "ResourceInUse", f"The training job {arn} cannot be deleted in status {status}."
    )


def too_late(status: str) -> AwsError:
    return validation(f"The request was rejected because the training job is in status {status}.")


def quota(limit: str, allowed: int, used: int, delta: int) -> AwsError:
    return AwsError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{limit}' is {allowed} Instances, with current "
        f"utilization of {used} Instances and a request delta of {delta} Instances. Please use AWS "
        "Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
        "available, contact AWS support to request an increase for this quota.",
    )


def throttled() -> AwsError:
    return AwsError("ThrottlingException", "Rate exceeded")


def unsupported_here(what: str) -> AwsError:
    """AWS can do this and the local SageMaker cannot: say so instead of doing something else."""
    return validation(f"The local SageMaker does not support {what}.")
