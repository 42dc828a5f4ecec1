"""The embedded default: the local AWS, the local W&B and the controller deployed between them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local.aws import LocalAws
from local.deploy import Access, Deployed, deploy
from local.wandb_server import LocalWandb

REPOSITORY = Path(__file__).parents[1]
TEMPLATE = REPOSITORY / "template.yaml"
LAMBDA = REPOSITORY / "build" / "functions"
STACK = "resilience"
ROLE, SECRET, ENTITY = "resilient-training", "resilience/wandb-api-key", "local"
LAMBDA_LOGS, SWEEP = "OnTrainingEndedLogs", "Sweep"
# Where training/launch.py puts the checkpoints of several hosts, in a bucket of its own.
STORE = "s3://resilient-training-{account}-{region}/resilient-training/store/"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LocalStack:
    aws: LocalAws
    wandb: LocalWandb
    deployed: Deployed

    def client(self, service: str) -> Any:  # noqa: ANN401 — boto3 has no types
        return self.aws.client(service)

    def environment(self) -> dict[str, str]:
        """What a shell exports so that the AWS CLI, boto3 and wandb speak to this machine."""
        return {
            **self.aws.environment(),
            "WANDB_BASE_URL": self.wandb.url,
            "WANDB_API_KEY": self.wandb.api_key,
            "WANDB_ENTITY": ENTITY,
        }

    def resource(self, logical_id: str) -> str:
        """The physical name of one of the template's resources."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@contextmanager
def local_stack(
    directory: Path,
    say: Say,
    parameters: Mapping[str, str] | None = None,
    ports: tuple[int, int] = (0, 0),
    aws_options: Iterable[str] = (),
) -> Iterator[LocalStack]:
    """Start both servers on loopback and deploy the template; all of it ends with the block.

    `aws_options` are those of `python -m local.aws`, such as `--stop-grace`, or the doubts that the
    local AWS shall behave otherwise than by.
    """
    for name in ("aws", "wandb"):
        (directory / name).mkdir(parents=True, exist_ok=True)
        # Keys, code and checkpoints: for their owner alone, also where an older version made it.
        (directory / name).chmod(0o700)
    with (
        LocalAws.start(directory / "aws", ["--port", str(ports[0]), *aws_options]) as aws,
        LocalWandb.start(directory / "wandb", port=ports[1]) as wandb,
    ):
        for note in aws.notes:
            say(f"note: {note}")
        say(f"AWS answers at {aws.endpoint}, W&B at {wandb.url}")
        # The controller's own; what a launch makes has another name.
        secrets = aws.client("secretsmanager")
        secrets.create_secret(Name=SECRET, SecretString=wandb.api_key)
        deployed = _deploy(aws, wandb, parameters or {})
        say(f"template.yaml is deployed as stack {STACK!r}; its live properties are as written")
        for note in deployed.notes:
            say(f"note: {note}")
        yield LocalStack(aws, wandb, deployed)


def _deploy(aws: LocalAws, wandb: LocalWandb, parameters: Mapping[str, str]) -> Deployed:
    session = boto3.Session(
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
        region_name=aws.region,
    )
    return deploy(
        Access(session, aws.endpoint),
        template=TEMPLATE,
        code=LAMBDA,
        parameters={
            "WandbBaseUrl": wandb.url,
            "WandbSecretName": SECRET,
            "AllowedEntityProjects": f"{ENTITY}/*",
            "TrainingRoleArns": f"arn:aws:iam::{aws.account}:role/{ROLE}",
            "CheckpointStores": STORE.format(account=aws.account, region=aws.region),
            **parameters,
        },
        stack_name=STACK,
    )
