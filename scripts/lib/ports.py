"""Finds a free loopback port, or waits for one to accept connections.

ports.py free               prints a port that nothing listens on
ports.py wait PORT SECONDS  exits with status 1 if PORT accepts no connection in time
"""

import random
import socket
import sys
import time

# Below the ranges that Linux and macOS use for outgoing connections, so that none of those takes
# the port before the caller binds it.
PORTS = range(20000, 32000)


def find_free() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def wait(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["free"]:
            print(find_free())
        case ["wait", port, seconds]:
            sys.exit(not wait(int(port), float(seconds)))
        case _:
            sys.exit(__doc__)
