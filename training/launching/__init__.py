"""Starts a resumable training on SageMaker: what must exist, the request, the watching."""
