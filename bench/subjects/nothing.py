"""A Python that does nothing: what any process costs before its first line."""

import json

from bench.subjects.footprint import footprint

if __name__ == "__main__":
    print(f"bench {json.dumps({'process': footprint()})}", flush=True)
