"""Lambda functions in processes of their own, instead of MiniStack's execution of Python."""

from local.aws.lambda_runtime.installation import install

__all__ = ["install"]
