"""What is left to go by where no sentence is known: signals, any exception, words, exit codes."""

from resilience.failure_rules.person import SIGINT
from resilience.failure_rules.rule import FailureClass, rule

REMAINS = (
    rule(
        "terminated",
        FailureClass.INTERRUPTED,
        """
        exit code 143 | ExecuteUserScriptError exit code 15 | got signal 15 |
        received 15 death signal | received SIGTERM | SIGTERM death signal | SIGTERM received
        """,
    ),
    *SIGINT,
    rule(
        "internal_error",
        FailureClass.INFRASTRUCTURE,
        """
        InternalServerError | InternalServerException | InternalError | internal server error |
        internal error | encountered an internal | internal service error |
        internal service exception | unexpected internal
        """,
    ),
    rule(
        "timed_out",
        FailureClass.INFRASTRUCTURE,
        """
        timed out | TimeoutError | TimeoutExpired | timeout exceeded | timeout expired |
        timeout waiting | due to timeout | deadline exceeded | unreachable | unresponsive
        """,
    ),
    rule(
        "request_failed",
        FailureClass.CONFIGURATION,
        "calling the CreateTrainingJob operation",
    ),
    rule(
        "exception",
        FailureClass.USER_CODE,
        """
        traceback most recent call last | ~error | ~exception | exception | MPI_ABORT |
        terminate called | check failed | RET_CHECK | assertion failed
        """,
    ),
    # No exception and no sentence that is known: what is the text about? Words that would stop a
    # lineage for good are trusted only where SageMaker blames the request (ClientError).
    rule("about_memory", FailureClass.OUT_OF_MEMORY, "memory"),
    rule(
        "about_permission",
        FailureClass.PERMISSION,
        """
        denied | forbidden | not permitted | ClientError * permission |
        ClientError * permissions | ClientError * credentials
        """,
    ),
    rule("about_capacity", FailureClass.CAPACITY, "capacity"),
    rule("about_quota", FailureClass.QUOTA, "quota | limit exceeded"),
    rule("about_preemption", FailureClass.INTERRUPTED, "preempted | preemption"),
    rule(
        "about_network",
        FailureClass.INFRASTRUCTURE,
        "network | socket | connection | disconnected | unavailable | timeout",
    ),
    rule(
        "about_data",
        FailureClass.DATA,
        """
        dataset | csv | parquet | tfrecord | jsonl | S3 object | S3 objects | input data |
        ClientError * file | ClientError * columns | ClientError * features |
        ClientError * records | ClientError * rows | ClientError * labels | ClientError * images |
        ClientError * samples
        """,
    ),
    rule(
        "about_request",
        FailureClass.CONFIGURATION,
        """
        ClientError * invalid | ClientError * not valid | ClientError * unsupported |
        ClientError * not supported | ClientError * must be | ClientError * required |
        ClientError * instance type | ClientError * channel is not specified |
        ClientError * missing | ClientError * parameter
        """,
    ),
    rule(
        "exit_code",
        FailureClass.USER_CODE,
        "ExecuteUserScriptError | exit code | exit codes | non-zero exit | signal 6 | SIGABRT",
    ),
)
