"""A W&B server on one machine, for development and tests.

It serves the real wandb SDK (0.31.0) over HTTP, from SQLite and files. It is a stand-in, not a
product.

    with LocalWandb.start(directory) as server:
        environment = os.environ | server.environment(directory / "client")
        subprocess.run([sys.executable, "train.py"], env=environment, check=True)
        server.fault("unavailable", count=3, path_contains="/graphql")
        server.graphql("query ($name: String) { project(name: $name) { id } }", name="p")

By hand: `python -m local.wandb_server --port 8080 --data DIR`, then set WANDB_BASE_URL to
http://127.0.0.1:8080 and WANDB_API_KEY to what is in DIR/api-key. A child started by LocalWandb
ends with the thread that started it (prctl PDEATHSIG): start it from one that lives long enough.
"""

from local.wandb_server.process import LocalWandb, LocalWandbError, RequestFailedError

__all__ = ["LocalWandb", "LocalWandbError", "RequestFailedError"]
