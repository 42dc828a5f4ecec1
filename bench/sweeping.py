"""The sweep's calls against the number of jobs: they must grow with what changed."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.network import slow_network
from bench.processes import subject
from bench.progress import Progress
from bench.report import Report
from bench.surroundings import SWEEP, Surroundings

ROUND_TRIP = 0.010
# Jobs that were judged before; ended ones without a verdict; ones that wait.
_FULL = ((0, 0, 0), (100, 0, 0), (1000, 0, 0), (1000, 10, 0), (1000, 100, 0), (1000, 500, 0))
_QUICK = ((0, 0, 0), (100, 0, 0), (100, 10, 0))
_WAITING = ((1000, 0, 10), (1000, 0, 300))
_JUDGED = {"resilience:verdict": "RELAUNCH", "resilience:reason": "resumed_from_checkpoint"}
_WAITS = {
    "resilience:verdict": "WAIT",
    "resilience:reason": "capacity",
    "resilience:due": "2099-01-01T00:00:00Z",
}
_SETTLE_ROUNDS = 2
_SECOND = 1.1  # a sweep looks at whole seconds that are over


@dataclass(slots=True)
class Fleet:
    """As many jobs of each kind as were asked for so far; there is no way back."""

    around: Surroundings
    have: Counter[str]

    def grow(self, kind: str, wanted: int, tags: dict[str, str]) -> None:
        missing = wanted - self.have[kind]
        if missing > 0:
            self.around.failed_jobs(f"{kind}{wanted}", missing, tags)
            self.have[kind] = wanted


def run(around: Surroundings, progress: Progress, repetitions: int) -> Iterator[Report]:
    """Sweep while the deployed controller is held back, or it would judge what is counted."""
    cases = (*_FULL, *_WAITING) if repetitions > 1 else _QUICK
    mapping = around.stack.resource("OnTrainingEndedEnded")
    around.stack.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    rows = []
    services = {"aws": around.stack.aws.endpoint}
    with slow_network(services) as network:
        network.set_round_trip(ROUND_TRIP)
        environment = around.environment(SWEEP, network.urls["aws"])
        with subject("sweeping", environment) as sweeper:
            fleet = Fleet(around, Counter())
            for case in progress.through("sweep", cases):
                judged, unjudged, waiting = case
                fleet.grow("recorded", judged, _JUDGED)
                fleet.grow("ended", unjudged, {})
                fleet.grow("waits", waiting, _WAITS)
                time.sleep(_SECOND)
                for _ in range(_SETTLE_ROUNDS):  # the first one also fetches the mode
                    network.take()
                    answer = sweeper.ask({})
                calls = Counter(one.name for one in network.take())
                found = answer["found"]["without_verdict"]
                rows.append(
                    (
                        f"{judged:,}",
                        f"{found:,}",
                        f"{waiting:,}",
                        str(calls["Search"]),
                        str(calls["SendMessageBatch"]),
                        str(calls.total()),
                        f"{answer['wall'] * 1000:.0f}",
                        f"{answer['cpu'] * 1000:.0f}",
                    )
                )
    yield Report(
        "One sweep against the number of jobs",
        (
            *("judged before", "without verdict", "waiting", "Search", "SendMessageBatch"),
            *("all calls", "wall ms at 10 ms", "own CPU ms"),
        ),
        rows,
        (
            "Counted on the network; the second of two sweeps, so the clients are warm.",
            "A page of Search holds 100 jobs, a batch 10 messages.",
        ),
    )
