"""Writes what it was given to a parameter: the effect by which a delivery is seen from outside."""

import json
import os

import boto3


def handler(event, context):
    boto3.client("ssm").put_parameter(
        Name=os.environ["SEEN"], Value=json.dumps(event)[:4000], Overwrite=True
    )
    print(json.dumps({"greeting": os.environ["GREETING"], "request": context.aws_request_id}))
    return {"batchItemFailures": []}
