"""Every number of the simulated world, each with where it is from. `--sources` prints them."""

from dataclasses import dataclass

from proofs.judge.week import DAY, HOUR, MINUTE


@dataclass(frozen=True, slots=True)
class Sourced:
    what: str
    source: str


_LLAMA = "Llama 3 405B, 54 days on 16,384 H100 (arXiv 2407.21783, table 5)"
_SPOT = "skypilot-org/spot-traces, preemption.4-node.*: deciles of runs with all nodes (NSDI 2024)"
_AWS = "AWS post-event summaries: 2017-02-28, 2020-11-25, 2021-12-07, 2023-06-13, 2025-10-20"
_ASSUMED = "assumed; no public figure was found"

# Machines
GPU_HOURS_PER_FAULT = 50_677
SHARE_OF_SOFTWARE = 54 / 419
CLUSTERED_SHAPE = 0.49
SHARE_CLUSTERED = 0.5
SHARE_REPAIRED_INSIDE = 0.5
REPAIR = (10 * MINUTE, 40 * MINUTE)
# Spot
SPOT_UP_HOURS = (0.08, 0.25, 0.42, 0.58, 1.0, 1.42, 1.92, 3.0, 5.25, 10.92, 24.0)
SPOT_GONE_HOURS = (0.08, 0.17, 0.17, 0.25, 0.33, 0.5, 0.75, 1.02, 1.42, 3.21, 12.0)
SHARE_INTERRUPTED = 0.1  # of lost spot instances that end the job itself
SPOT_RESTART = 6 * MINUTE
# AWS
BETWEEN_INCIDENTS = 30 * DAY
INCIDENT = (5 * MINUTE, 8 * HOUR)
KILLED_BY_INCIDENT = 0.5
NEVER_STARTED_IN_INCIDENT = 0.7
CALLS_LOST_IN_INCIDENT = 0.1  # after the client's three tries
BETWEEN_DROUGHTS = 20 * DAY
DROUGHT = (10 * MINUTE, 60 * HOUR)
GIVES_UP_ON_CAPACITY = (5 * MINUTE, 60 * MINUTE)
PENDING = (30 * MINUTE, 120 * MINUTE)
SHARE_PENDING = 0.3
SHARE_DEAD_OF_CAPACITY = 0.1
STARTUP = (3 * MINUTE, 20 * MINUTE)
EVENT_LOST, EVENT_TWICE = 0.02, 0.2
EVENT_DELAY = (1, 60)
# W&B
BETWEEN_OUTAGES = 30 * DAY
OUTAGE = (10 * MINUTE, 6 * HOUR)
DEAD_AT_INIT_IN_OUTAGE = 0.7
UPLOAD = (2, 120)
LATE_AFTER_DEATH = 0.5
LATE = ((0.6, 2, 30), (0.3, 30, 90), (0.1, 90, 600))
VERSIONS_SHOWN = 100
# Trainings
INIT = (2 * MINUTE, 15 * MINUTE)
INTERVALS = {10: 15, 15: 15, 30: 30, 60: 25, 120: 10, 240: 5}
GPUS = {8: 45, 16: 20, 64: 20, 128: 10, 512: 5}
LENGTHS = {
    (6 * HOUR, DAY): 40,
    (DAY, 4 * DAY): 30,
    (4 * DAY, 15 * DAY): 20,
    (15 * DAY, 30 * DAY): 10,
}
MAX_RUNTIMES = {DAY: 50, 5 * DAY: 30, 28 * DAY: 20}
SHARE_SPOT = 0.15
SHARE_NAMING_THE_JOB = 0.8
SHARE_TELLING_STEPS = 0.9
SHARE_SAVING_AT_THE_LIMIT = 0.7
# Texts
MIXED = 0.3

_TITAN = "Titan, 100,889 GPU-years"
_BEST_EFFORT = f"SageMaker guide: best effort, several events for a change; shares {_ASSUMED}"
_BATCH = "AWS Batch guide: SageMaker jobs stuck in RUNNABLE"
_UNSEEN = "issue 9: of 102 unseen texts the class is right for 63 %"
SOURCES = tuple(
    Sourced(*pair)
    for pair in (
        ("one machine fault in 50,677 GPU-hours; 54 of 419 read as software", _LLAMA),
        ("half of the lineages: faults in clusters, Weibull k = 0.49", _TITAN),
        ("half of the faults repaired inside the job, in 10 to 40 min", f"share {_ASSUMED}"),
        ("spot: up 0.25 to 10.9 h (deciles), gone 0.17 to 3.2 h, restart 6 min", _SPOT),
        ("AWS incidents of 5 min to 8 h", _AWS),
        ("an incident in 30 days of a training; it kills half of what runs", _ASSUMED),
        ("droughts of 10 min to 60 h; one in 20 days above 8 GPUs", _ASSUMED),
        ("a job in Pending that is given up: Stopped, not Failed", _BATCH),
        ("events: 2 % lost, 20 % twice, 1 to 60 s late", _BEST_EFFORT),
        ("W&B outages of 10 min to 6 h; one in 30 days", _ASSUMED),
        ("upload 2 to 120 s", "BLOOM: 2.3 TB saved in 40 s"),
        ("an upload under way at a death: half commit, 10 % of them after 90 s", _ASSUMED),
        ("MaxRuntime 24 h for half of the trainings", "the SageMaker SDK's default"),
        ("trainings of 6 h to 30 d on 8 to 512 GPUs, checkpoints every 10 min to 4 h", _ASSUMED),
        ("each kind of trouble often enough to be seen; not how often it comes", "mix.WEIGHTS"),
        ("mixed: 30 % of texts of another class, cut, or with a harmless line", _UNSEEN),
    )
)
