"""`make local`: the local AWS and W&B with the controller between them, until Ctrl-C."""

import argparse
import signal
import sys
from pathlib import Path

from local import doubts
from local.stack import REPOSITORY, local_stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="make local", description=__doc__)
    parser.add_argument("--aws-port", type=int, default=4566, help="0 picks a free one")
    parser.add_argument("--wandb-port", type=int, default=8080, help="0 picks a free one")
    parser.add_argument("--data", type=Path, default=REPOSITORY / ".local" / "stack")
    parser.add_argument(
        "--doubt",
        action="append",
        default=[],
        type=doubts.word,
        metavar="NAME",
        help=doubts.HELP,
    )
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = (options.aws_port, options.wandb_port)
    aws_options = doubts.options_of(options.doubt)
    try:
        with local_stack(options.data, _note, ports=ports, aws_options=aws_options) as stack:
            for name, value in stack.environment().items():
                print(f"export {name}={value}", flush=True)
            _note("running; Ctrl-C ends it")
            signal.pause()
    except KeyboardInterrupt:
        _note("ended; nothing is left running")
    return 0


def _note(text: str) -> None:
    """Notes go to stderr, so that stdout is what a shell can eval."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
