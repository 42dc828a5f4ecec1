"""Starts awslambdaric with a Runtime API whose address ends in a secret path.

The runtime's client in C puts the address before every path, as it stands. Its client in Python,
which reports failed inits, takes an address of host and port alone: it is given those, and the
secret before the path. Runs inside the function's process, from a link beside awslambdaric.
"""

import sys
from typing import Any

from awslambdaric import __main__ as awslambdaric
from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient

_call = BaseLambdaRuntimeClient.call_rapid


def _call_below_the_secret(
    client: BaseLambdaRuntimeClient,
    method: str,
    endpoint: str,
    *rest: Any,  # noqa: ANN401 - whatever the original takes
    **more: Any,  # noqa: ANN401 - the same
) -> None:
    address, _, secret = client.lambda_runtime_address.partition("/")
    _call(BaseLambdaRuntimeClient(address), method, f"/{secret}{endpoint}", *rest, **more)


BaseLambdaRuntimeClient.call_rapid = _call_below_the_secret

if __name__ == "__main__":
    awslambdaric.main(sys.argv)
