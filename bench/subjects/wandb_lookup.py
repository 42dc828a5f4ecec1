"""The same look-up by the SDK: `wandb_lookup ENTITY/PROJECT/COLLECTION`, warm in no way.

It reads of each version what the controller reads, but for the run that made it: that would cost
the SDK a request for each version.
"""

import json
import sys

import wandb

from bench.subjects.footprint import footprint


def main(path: str) -> None:
    versions = [
        (version.version, version.state, version.digest, version.aliases, version.metadata)
        for version in wandb.Api().artifacts("model", path)
    ]
    newest = max(versions, key=lambda version: version[4]["step"])
    print(f"bench {json.dumps({'newest': newest[0], 'process': footprint()})}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
