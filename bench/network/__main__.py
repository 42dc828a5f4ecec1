"""Serve a slow network: `python -m bench.network NAME=HOST:PORT …`, commands on stdin.

Prints one line of JSON with the address to use for each NAME. Then `rtt SECONDS` sets the round
trip and `take` prints the exchanges since the last time; the end of stdin ends it.
"""

import json
import socket
import sys
from dataclasses import astuple

from bench.network.proxy import Network, serve


def main() -> None:
    network, addresses = Network(), {}
    for argument in sys.argv[1:]:
        name, _, upstream = argument.partition("=")
        host, _, port = upstream.partition(":")
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        addresses[name] = f"127.0.0.1:{listener.getsockname()[1]}"
        serve(listener, (host, int(port)), network)
    _say(addresses)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "rtt":
            network.round_trip = float(argument)
            _say("ok")
        else:
            _say([astuple(one) for one in network.take()])


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
