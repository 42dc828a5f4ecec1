"""Alarms."""

from typing import Any

from local.deploy.access import Access
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource


def _alarm(access: Access, resource: Resource) -> dict[str, Any]:
    named = access.client("cloudwatch").describe_alarms(AlarmNames=[resource.physical_id])
    return dict(named["MetricAlarms"][0]) if named["MetricAlarms"] else {}


READERS: dict[str, Reader] = {"AWS::CloudWatch::Alarm": _alarm}
