"""The controller's look-up and nothing else: `graphql_lookup ENTITY PROJECT COLLECTION RUN`."""

import json
import os
import sys

import urllib3

from bench.subjects.footprint import footprint
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide.decisions import CheckpointRequest


def main(entity: str, project: str, collection: str, run: str) -> None:
    base_url, key = os.environ["WANDB_BASE_URL"], os.environ["WANDB_API_KEY"]
    checkpoints = WandbCheckpoints(urllib3.PoolManager(), base_url, lambda: key)
    answer = checkpoints.newest(
        CheckpointRequest(entity=entity, project=project, collection=collection, runs=(run,))
    )
    newest = max(answer.checkpoints, key=lambda checkpoint: checkpoint.step or 0)
    print(f"bench {json.dumps({'newest': newest.version, 'process': footprint()})}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
