"""Run the crash matrix and print what held (see --help)."""

import os
import runpy
import sys
from pathlib import Path

FUNCTIONS = Path(__file__).parent.parent.parent / "functions"
# As template.yaml sets them; Powertools reads them when it is imported.
_POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME": "resilience",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}


def main() -> None:
    """Have the controller's code importable as in the Lambda function, then run the command."""
    sys.path.insert(0, str(FUNCTIONS))
    os.environ.update(_POWERTOOLS)
    runpy.run_module("proofs.matrix.command", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
