"""The controller's ports, fulfilled in memory: for replay, and for tests without a stack.

They do as SageMaker, W&B, Scheduler, SNS and SQS do; tests/adapters holds them and the adapters to
the same behaviour. What is public beyond the ports drives them: jobs end, versions are committed.
"""

from local.in_memory.clock import ACCOUNT, REGION, Clock
from local.in_memory.job_logs import InMemoryJobLogs
from local.in_memory.messages import (
    InMemoryDeadLetters,
    InMemoryQueue,
    InMemorySchedules,
    InMemoryTopic,
)
from local.in_memory.sagemaker import InMemorySageMaker, create_shape
from local.in_memory.weights_and_biases import InMemoryWandb
from local.in_memory.world import InMemoryWorld

__all__ = [
    "ACCOUNT",
    "REGION",
    "Clock",
    "InMemoryDeadLetters",
    "InMemoryJobLogs",
    "InMemoryQueue",
    "InMemorySageMaker",
    "InMemorySchedules",
    "InMemoryTopic",
    "InMemoryWandb",
    "InMemoryWorld",
    "create_shape",
]
