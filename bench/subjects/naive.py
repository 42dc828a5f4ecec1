"""The flow as it is most often written: every call after the one before, no cache.

It is spared what would be hard to compare: its clients and connections are warm, and it asks W&B by
the same one GraphQL request instead of the SDK.
"""

import json
import os
from typing import Any

import boto3
import urllib3
from botocore.exceptions import ClientError

from resilience.adapters.weights_and_biases import question

Event = dict[str, Any]


class Naive:
    def __init__(self, region: str) -> None:
        self._sagemaker = boto3.client("sagemaker", region_name=region)
        self._secrets = boto3.client("secretsmanager", region_name=region)
        self._sns = boto3.client("sns", region_name=region)
        self._pool = urllib3.PoolManager()

    def handle(self, event: Event) -> None:
        for record in event["Records"]:
            self._relaunch(json.loads(record["body"])["detail"]["TrainingJobName"])

    def _relaunch(self, name: str) -> None:
        job = self._sagemaker.describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] != "Failed":
            return
        pairs = self._sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
        tags = {pair["Key"]: pair["Value"] for pair in pairs}
        version = self._newest(tags)
        successor = f"{name}-naive"
        if self._exists(successor):
            return
        request = {
            member: job[member]
            for member in ("AlgorithmSpecification", "RoleArn", "InputDataConfig", "ResourceConfig")
        }
        created = self._sagemaker.create_training_job(
            TrainingJobName=successor,
            HyperParameters=job["HyperParameters"],
            Environment={**job["Environment"], "CHECKPOINT": version},
            OutputDataConfig={"S3OutputPath": job["OutputDataConfig"]["S3OutputPath"]},
            StoppingCondition=job["StoppingCondition"],
            **request,
        )
        self._sagemaker.add_tags(ResourceArn=created["TrainingJobArn"], Tags=pairs)
        done = [{"Key": "relaunched-as", "Value": successor}]
        self._sagemaker.add_tags(ResourceArn=job["TrainingJobArn"], Tags=done)
        self._sns.publish(TopicArn=os.environ["RESILIENCE_TOPIC_ARN"], Message=successor)

    def _newest(self, tags: dict[str, str]) -> str:
        secret = self._secrets.get_secret_value(SecretId=os.environ["WANDB_SECRET_NAME"])
        variables = {
            "entity": tags["WANDB_ENTITY"],
            "project": tags["WANDB_PROJECT"],
            "collection": tags["WANDB_CHECKPOINT_NAME"],
            "alias": "latest",
            "whole": True,
            "named": False,
            "first": 100,
            "order": "-created_at",
            "run0": tags["WANDB_RUN_ID"],
        }
        response = self._pool.request(
            "POST",
            os.environ["WANDB_BASE_URL"] + "/graphql",
            json={"query": question(1), "variables": variables},
            headers=urllib3.make_headers(basic_auth=f"api:{secret['SecretString']}"),
        )
        logged = response.json()["data"]["project"]["run0"]["outputArtifacts"]
        nodes = [edge["node"] for edge in logged["edges"]]
        newest = max(nodes, key=lambda node: json.loads(node["metadata"])["step"])
        return f"v{newest['versionIndex']}"

    def _exists(self, name: str) -> bool:
        try:
            self._sagemaker.describe_training_job(TrainingJobName=name)
        except ClientError:
            return False
        return True
