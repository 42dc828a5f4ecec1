"""The rules that read a failure text, as data: the first that matches decides.

A text often names several causes, because one dead rank makes all others complain. The order is
therefore from cause to symptom:

0. a person's stop, as the training side words it: whatever broke on the way to it;
1. a machine that is broken: no other line in the text can be believed after it;
2. a full disk or /dev/shm: downloads, uploads, pulls and collectives fail of it;
3. what AWS says about its own service: exact sentences that nobody else writes. In there the
   particular comes before the general: "not available in this region" before ResourceLimitExceeded,
   a missing image before a failed pull;
4. memory: a process that was killed makes its peers report lost connections;
5. what the program was refused or given wrongly (permission, configuration, data): particular
   sentences, which often stand inside a general exception such as ValueError;
6. the world outside that did not answer (package index, model hub, S3, W&B), and only then
   "download failed" without a cause that is known;
7. programming errors, by the exception's name: they explain lost peers, and lost peers do not
   explain them;
8. lost peers (NCCL, EFA, MPI, rendezvous): a symptom, and a cause only where nothing else is told;
9. the remains: signals, internal errors, time-outs, any other exception, telling words, exit codes.

What no rule knows is unknown; a prefix such as ClientError or AlgorithmError decides nothing alone.
Real texts for each rule, with their sources, are in tests/unit/failure_reasons.jsonl.
"""

from resilience.failure_rules.machine import (
    BROKEN_MACHINE,
    LOST_PEERS,
    MEMORY,
    OUTSIDE_WORLD,
    STORAGE,
)
from resilience.failure_rules.person import WORD
from resilience.failure_rules.program import GIVEN_WRONGLY, PROGRAMMING_ERRORS, TRANSFERS
from resilience.failure_rules.remains import REMAINS
from resilience.failure_rules.rule import LOSS_DIVERGED, STOPPED_IN_WANDB, FailureClass, Rule
from resilience.failure_rules.service import SERVICE

__all__ = ["LOSS_DIVERGED", "RULES", "STOPPED_IN_WANDB", "FailureClass", "Rule"]

RULES: tuple[Rule, ...] = (
    *WORD,
    *BROKEN_MACHINE,
    *STORAGE,
    *SERVICE,
    *MEMORY,
    *GIVEN_WRONGLY,
    *OUTSIDE_WORLD,
    *TRANSFERS,
    *PROGRAMMING_ERRORS,
    *LOST_PEERS,
    *REMAINS,
)
