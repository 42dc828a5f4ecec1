"""Sweeps once for each line on stdin; answers as `handling` does."""

import json
import os
import sys
import time
from dataclasses import dataclass

from bench.subjects.footprint import footprint
from sweep import handler


@dataclass(frozen=True)
class Context:
    """The little of Lambda's context that is looked at."""

    invoked_function_arn: str = os.environ["BENCH_FUNCTION_ARN"]


def main() -> None:
    for _ in sys.stdin:
        began, cpu = time.monotonic(), time.process_time()
        found = handler({}, Context())  # type: ignore[arg-type]  # as much of a context as is used
        answer = {
            "found": found,
            "wall": time.monotonic() - began,
            "cpu": time.process_time() - cpu,
            "process": footprint(),
        }
        print(f"bench {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
