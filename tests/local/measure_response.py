"""Prints how long it takes until a URL returns a text.

measure_response.py URL DESCRIPTION TEXT [BUILT SOURCE]

With BUILT and SOURCE, first waits until the file BUILT is newer than SOURCE.
"""

import os
import sys
import time
import urllib.request

TIMEOUT = 300  # seconds
POLL_INTERVAL = 0.05  # seconds


def is_newer(built: str, source: str) -> bool:
    try:
        return os.path.getmtime(built) > os.path.getmtime(source)
    except FileNotFoundError:
        # The linker removes the file before it writes it.
        return False


def response_contains(url: str, text: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return text in response.read().decode()
    except OSError:
        return False


def main(url: str, description: str, text: str, *files: str) -> None:
    started = time.monotonic()

    def wait_until(condition) -> None:
        while not condition():
            if time.monotonic() - started > TIMEOUT:
                sys.exit(f"{description}: no such response after {TIMEOUT} s")
            time.sleep(POLL_INTERVAL)

    if files:
        wait_until(lambda: is_newer(*files))
    wait_until(lambda: response_contains(url, text))
    print(f"{description}: {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
