"""Rules and schedules."""

from typing import Any

from local.deploy.access import Access
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource


def _rule(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("events")
    name, bus = resource.physical_id, resource.properties.get("EventBusName", "default")
    rule = client.describe_rule(Name=name, EventBusName=bus)
    targets = client.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    return {**rule, "Targets": targets}


def _schedule(access: Access, resource: Resource) -> dict[str, Any]:
    group = resource.properties.get("GroupName", "default")
    client = access.client("scheduler")
    found: dict[str, Any] = client.get_schedule(Name=resource.physical_id, GroupName=group)
    return dict(found)


def _group(access: Access, resource: Resource) -> dict[str, Any]:
    return dict(access.client("scheduler").get_schedule_group(Name=resource.physical_id))


READERS: dict[str, Reader] = {
    "AWS::Events::Rule": _rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Scheduler::ScheduleGroup": _group,
}
