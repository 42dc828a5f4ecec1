"""What a person did to the training. Nobody relaunches it."""

from resilience.failure_rules.rule import STOPPED_IN_WANDB, FailureClass, rule

# The training side's own word (docs/contract.md), whatever else broke on the way to the stop.
WORD = (rule(STOPPED_IN_WANDB, FailureClass.STOPPED_BY_USER, "StoppedByUser"),)

# SIGINT. SageMaker ends a container with SIGTERM and SIGKILL, and so does every launcher that loses
# a worker. SIGINT comes from a terminal, or from the W&B SDK of a script without our training side
# when somebody presses Stop run (docs/decisions/0011). A script that turns SIGTERM into
# KeyboardInterrupt says SIGTERM as well, or its job's status does: both are read first.
SIGINT = (
    rule(
        "interrupted_by_hand",
        FailureClass.STOPPED_BY_USER,
        """
        KeyboardInterrupt | exit code 130 | got signal 2 | received 2 death signal |
        received SIGINT | SIGINT received | signal SIGINT
        """,
    ),
)
