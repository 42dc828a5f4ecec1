"""What every step of a worker may come to: its end before its time."""

from proofs.model.states import Protocol, State, Tag, Worker


def gone(state: State, place: int) -> State:
    """The worker is gone before its time; its message may come again at any time, or never."""
    return state.with_worker(place, Worker())


def may_die(state: State, place: int, protocol: Protocol) -> bool:
    """Assume that of two that meet, of which one stops and one launches, none dies (A3)."""
    worker = state.workers[place]
    if not (protocol.meets_without_dying and worker.met):
        return True
    verdicts = {worker.verdict, state.jobs[worker.job].tag}
    verdicts |= {other.verdict for other in state.others(place)}
    number = worker.job + 1
    there = number < len(state.jobs) and state.is_ours(number)
    return Tag.STOP not in verdicts or not (there or Tag.RELAUNCH in verdicts)


def may_stop(state: State, place: int, protocol: Protocol) -> bool:
    """Assume that nobody stops a job while a create that nobody waits for is under way (A3)."""
    number = state.workers[place].job + 1
    underway = number < len(state.jobs) and state.jobs[number].underway
    return not (protocol.meets_without_dying and underway)
