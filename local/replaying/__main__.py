"""The command `python -m local.replay`."""

import argparse
import json
import os
import sys
from pathlib import Path

from local.in_memory import ACCOUNT, REGION
from local.replaying.event import replay
from local.replaying.log_line import redecide_all
from local.replaying.story import record, tell
from local.replaying.surroundings import ReplayError, load
from resilience.errors import Retry, SettingsMissing

_DIFFERENT, _MISUSED = 1, 2


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    try:
        return _redecide(given.log) if given.log else _replay(given)
    except (ReplayError, SettingsMissing) as error:
        print(f"replay: {error}", file=sys.stderr)
        return _MISUSED
    except Retry as error:
        print(f"the message must come again: {error}")
        return 0


def _replay(given: argparse.Namespace) -> int:
    message = load(given.event)
    replayed = replay(message, os.environ, account=given.account, region=given.region)
    told = json.dumps(record(replayed), indent=2) if given.json else tell(message, replayed)
    print(told)
    return 0


def _redecide(given: str) -> int:
    decisions = redecide_all(given)
    for one in decisions:
        print(f"{one.job}: {'same' if one.same else 'different'}")
        if not one.same:
            print(one.difference())
    return 0 if all(one.same for one in decisions) else _DIFFERENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.replay",
        description="Decide on one queue message without any stack, by the function's own code; "
        "or take a logged decision once more from its facts. "
        "Settings that template.yaml gives the function, such as RESILIENCE_ALLOWED_PROJECTS, "
        "are taken from the environment where they are set there.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("event", nargs="?", type=Path, help="a file such as events/*.json")
    what.add_argument(
        "--log", metavar="LINE_OR_FILE", help="a canonical log line, or a file of log lines"
    )
    parser.add_argument("--json", action="store_true", help="print the record only")
    parser.add_argument("--account", default=ACCOUNT, help="the controller's (default %(default)s)")
    parser.add_argument("--region", default=REGION, help="the controller's (default %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
