"""Whether somebody else writes to the lineage's W&B run: two writers would mix their histories."""

from resilience.decide.decisions import Facts

# SageMaker notes a failure when it detects it: the other hosts may go on until they are stopped,
# and a client posts what it has buffered. Two clocks differ on top of it.
_OWN_SECONDS = 120
# So long after the last heartbeat W&B itself calls a run crashed.
_SILENT_SECONDS = 300


def somebody_else_writes(facts: Facts) -> bool:
    """Whether the run's heartbeat is too late for the ended job's, and not yet silent.

    It is a person's hand-made continuation, a container that outlived its job, or a second job that
    was given the same run. In the first two minutes nobody can tell it from the job's own.
    """
    beat = facts.heartbeat_at
    if beat is None:
        return False
    # A job that never started wrote nothing: the last of the lineage to write ended before it.
    last = facts.ended_at if facts.started else facts.created_at
    is_own = last is not None and beat <= last + _OWN_SECONDS
    return not is_own and facts.observed_at - beat <= _SILENT_SECONDS
