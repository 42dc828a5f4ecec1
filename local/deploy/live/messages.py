"""Queues, topics and their policies."""

import json
from typing import Any

from local.deploy.access import Access
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource


def _queue(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("sqs")
    attributes = _queue_attributes(access, resource.physical_id)
    tags = client.list_queue_tags(QueueUrl=resource.physical_id).get("Tags", {})
    return {
        **attributes,
        "QueueName": attributes["QueueArn"].rsplit(":", 1)[-1],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _queue_attributes(access: Access, url: str) -> dict[str, Any]:
    client = access.client("sqs")
    found: dict[str, Any] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return dict(found["Attributes"])


def _queue_policy(access: Access, resource: Resource) -> dict[str, Any]:
    """The policy that all its queues have, or the first that is another."""
    asked = resource.properties["PolicyDocument"]
    urls = resource.properties["Queues"]
    policies = [json.loads(_queue_attributes(access, url).get("Policy", "{}")) for url in urls]
    odd = [policy for policy in policies if policy != asked]
    return {"Queues": urls, "PolicyDocument": (odd or policies)[0]}


def _topic(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("sns")
    attributes = client.get_topic_attributes(TopicArn=resource.physical_id)["Attributes"]
    name = resource.physical_id.rsplit(":", 1)[-1]
    return {**attributes, "TopicName": name}


def _topic_policy(access: Access, resource: Resource) -> dict[str, Any]:
    topics = resource.properties["Topics"]
    client = access.client("sns")
    policies = [client.get_topic_attributes(TopicArn=t)["Attributes"]["Policy"] for t in topics]
    asked = resource.properties["PolicyDocument"]
    parsed = [json.loads(policy) for policy in policies]
    odd = [policy for policy in parsed if policy != asked]
    return {"Topics": topics, "PolicyDocument": (odd or parsed)[0]}


def _subscription(access: Access, resource: Resource) -> dict[str, Any]:
    """By what it connects: until its owner confirms, a subscription has no ARN."""
    asked = resource.properties
    pages = access.client("sns").get_paginator("list_subscriptions_by_topic")
    found = [
        subscription
        for page in pages.paginate(TopicArn=asked["TopicArn"])
        for subscription in page["Subscriptions"]
        if subscription["Endpoint"] == asked["Endpoint"]
    ]
    return dict(found[0]) if found else {}


READERS: dict[str, Reader] = {
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SNS::Subscription": _subscription,
}
