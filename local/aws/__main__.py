"""`python -m local.aws`: AWS on this machine, until it is told to end."""

import argparse
import importlib
import os
import socket
import sys
import tempfile
from pathlib import Path

from local import doubts
from local.aws import leftovers
from local.aws.credentials import Credentials
from local.aws.sagemaker.settings import Settings

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "123456789012"
ACCOUNT_DIGITS = 12


def account(text: str) -> str:
    if not (text.isdigit() and len(text) == ACCOUNT_DIGITS):
        raise argparse.ArgumentTypeError(f"an account has {ACCOUNT_DIGITS} digits, not {text!r}")
    return text


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m local.aws",
        description="Serve AWS on this machine: no Docker, no account, loopback only. Prints "
        "'ready <address>' when it serves, after lines that begin with 'note'. The data directory "
        "gets 'credentials' and 'config' for AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE; "
        "what an earlier run's jobs left there is removed.",
    )
    add = made.add_argument
    add("--port", type=int, default=4566, help="0 for a free port (default: %(default)s)")
    add(
        "--data",
        type=Path,
        help="directory for jobs, logs, credentials (default: one that goes away)",
    )
    add("--region", default=REGION, help="(default: %(default)s)")
    add("--account", type=account, default=ACCOUNT, help="twelve digits (default: %(default)s)")
    add("--die-with-parent", action="store_true", help="end when the starting process ends")
    add("--start-delay", type=float, default=0.0, help="seconds until a job has its instance")
    add("--stop-grace", type=float, default=120.0, help="seconds from SIGTERM to SIGKILL")
    add("--checkpoint-sync", type=float, default=1.0, help="seconds between checkpoint uploads")
    add(
        "--lost-host-notice",
        type=float,
        default=300.0,
        help="seconds until SageMaker sees that a host is lost (default: %(default)s)",
    )
    add("--event-copies", type=int, default=2, help="how often a terminal state is told")
    add("--page-limit", type=int, default=100, help="most entries on a page, for small tests")
    add("--instance-quota", type=int, default=32, help="instances that may train at once")
    add(
        "--doubt",
        action="append",
        default=[],
        type=doubts.word,
        metavar="NAME",
        help=doubts.HELP,
    )
    add(
        "--no-namespaces",
        dest="namespaces",
        action="store_false",
        help="run jobs as where the kernel grants none: /opt/ml is rewritten in their scripts",
    )
    return made


def listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


def set_up_ministack(port: int, data: Path, account: str, credentials: Credentials) -> None:
    """Set the environment that MiniStack reads when it is imported."""
    os.environ.update(
        AUTH="true",
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        MINISTACK_HOST=HOST,
        MINISTACK_ACCOUNT_ID=account,
        MINISTACK_REGION=credentials.region,
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        STATE_DIR=str(data / "state"),
        S3_DATA_DIR=str(data / "s3"),
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        # MiniStack's root user: whoever signs with these may do everything.
        AWS_ACCESS_KEY_ID=credentials.access_key,
        AWS_SECRET_ACCESS_KEY=credentials.secret_key,
    )
    os.environ.pop("AWS_SESSION_TOKEN", None)


def main() -> None:
    asked = parser().parse_args()
    parent = os.getppid() if asked.die_with_parent else None
    try:
        listener = listen(asked.port)
    except OSError as error:
        sys.exit(f"cannot listen on {HOST}:{asked.port}: {error.strerror}; try --port 0")
    except OverflowError:
        sys.exit(f"{asked.port} is no port; try --port 0")
    data = (asked.data or Path(tempfile.mkdtemp(prefix="local-aws-"))).resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        held = leftovers.lock(data)
    except BlockingIOError as error:
        sys.exit(str(error))
    if note := leftovers.remove(data):
        print(f"note {note}", flush=True)
    port = listener.getsockname()[1]
    endpoint = f"http://{HOST}:{port}"
    credentials = Credentials.fresh(endpoint, asked.region)
    credentials.write(data)
    print(f"credentials, config and jobs are in {data}", file=sys.stderr)
    set_up_ministack(port, data, asked.account, credentials)
    settings = Settings(
        data=data,
        endpoint=endpoint,
        region=asked.region,
        start_delay=asked.start_delay,
        stop_grace=asked.stop_grace,
        checkpoint_sync=asked.checkpoint_sync,
        lost_host_notice=asked.lost_host_notice,
        terminal_event_copies=asked.event_copies,
        instance_quota=asked.instance_quota,
        page_limit=asked.page_limit,
        namespaces=asked.namespaces,
        temporary=asked.data is None,
        doubts=doubts.flipped(asked.doubt),
    )
    keys = importlib.import_module("local.aws.gate").Keys(
        credentials.access_key, credentials.secret_key
    )
    with held:
        importlib.import_module("local.aws.server").run(listener, settings, keys, parent)


if __name__ == "__main__":
    main()
