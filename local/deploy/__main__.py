"""Command line of the deploy."""

import argparse
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import Access, Deployed, DeployError, deploy


def main(arguments: list[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        deployed = deploy(
            Access(boto3.Session(region_name=asked.region), asked.endpoint_url),
            template=asked.template,
            code=asked.code,
            parameters=dict(asked.parameter),
            stack_name=asked.stack_name,
        )
    except (DeployError, ClientError, BotoCoreError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    _tell(deployed)
    return 0


def _tell(deployed: Deployed) -> None:
    print("deployed" if deployed.changed else "already as the template asks")
    for name, value in deployed.outputs.items():
        print(f"{name} = {value}")
    for note in deployed.notes:
        print(f"note: {note}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.deploy",
        description="Deploy the SAM template through CloudFormation, then read everything back.",
        epilog="Credentials and region come from the environment or a profile.",
    )
    parser.add_argument("--template", type=Path, default=Path("template.yaml"))
    parser.add_argument("--code", type=Path, default=Path("build/functions"), metavar="DIRECTORY")
    parser.add_argument("--stack-name", default="resilience")
    parser.add_argument("--endpoint-url", help="address of the local AWS; absent: the real one")
    parser.add_argument("--region")
    parser.add_argument(
        "--parameter", type=_pair, action="append", default=[], metavar="NAME=VALUE"
    )
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
