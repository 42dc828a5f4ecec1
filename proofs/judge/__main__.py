"""Let lineages run against the oracle and print the table (see --help)."""

import os
import runpy
import sys
from pathlib import Path

FUNCTIONS = Path(__file__).parent.parent.parent / "functions"
# As template.yaml sets them, but for the level: a wait without its schedule is no news here.
_POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME": "resilience",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}


def main() -> None:
    """Have the controller's code importable as in the Lambda function, then run the command."""
    sys.path.insert(0, str(FUNCTIONS))
    os.environ.update(_POWERTOOLS)
    runpy.run_module("proofs.judge.command", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
