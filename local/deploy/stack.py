"""One stack: created or updated, waited for, and explained when it fails."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from local.deploy import package
from local.deploy.access import Access
from local.deploy.errors import DeployError

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
# The most that a request may carry itself; a longer template goes by the bucket.
INLINE_BYTES = 51_200
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 600.0

Template = Mapping[str, Any]


@dataclass(frozen=True)
class Stack:
    access: Access
    name: str

    def deploy(self, template: Template, parameters: Mapping[str, str]) -> bool:
        """Bring the stack to the template; whether that changed anything."""
        request = {**self._template_argument(template), **self._arguments(parameters)}
        status = self._status()
        if status == "ROLLBACK_COMPLETE":
            self._remove_failed()
            status = None
        if status is None:
            self._client.create_stack(**request)
        elif not self._update(request):
            return False
        self._wait()
        return True

    def outputs(self) -> dict[str, str]:
        outputs = self._describe()["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def physical_ids(self) -> dict[str, str]:
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        summaries = (s for page in pages for s in page["StackResourceSummaries"])
        return {s["LogicalResourceId"]: s["PhysicalResourceId"] for s in summaries}

    @property
    def _client(self) -> BaseClient:
        return self.access.client("cloudformation")

    def _arguments(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        pairs = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ]
        return {"StackName": self.name, "Parameters": pairs, "Capabilities": CAPABILITIES}

    def _template_argument(self, template: Template) -> dict[str, str]:
        body = json.dumps(template)
        if len(body.encode()) <= INLINE_BYTES:
            return {"TemplateBody": body}
        bucket, key = package.upload(self.access, body.encode(), ".template")
        client = self.access.client("s3")
        asked = {"Bucket": bucket, "Key": key}
        return {"TemplateURL": client.generate_presigned_url("get_object", Params=asked)}

    def _update(self, request: Mapping[str, Any]) -> bool:
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
        return True

    def _describe(self) -> dict[str, Any]:
        return dict(self._client.describe_stacks(StackName=self.name))

    def _status(self) -> str | None:
        try:
            return str(self._describe()["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _remove_failed(self) -> None:
        """A stack whose creation failed can only be deleted."""
        self._client.delete_stack(StackName=self.name)
        self._client.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 1}
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (status := self._status() or "").endswith("_IN_PROGRESS"):
            if time.monotonic() > deadline:
                raise DeployError(f"stack {self.name} is still {status} after 10 minutes")
            time.sleep(POLL_SECONDS)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeployError(f"stack {self.name} is {status}: {self._first_failure()}")

    def _first_failure(self) -> str:
        """The oldest failure of the latest operation; the later ones follow from it."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.name)
        failed = [
            event
            for page in pages
            for event in page["StackEvents"]
            if event["ResourceStatus"].endswith("_FAILED")
            and "cancelled" not in event.get("ResourceStatusReason", "")
        ]
        if not failed:
            return str(self._describe()["Stacks"][0].get("StackStatusReason", "no reason given"))
        event = failed[-1]
        reason = event.get("ResourceStatusReason", "no reason given")
        return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
