"""Prints what each function costs: its size, what it does from spawn to its first poll, and its calls to DynamoDB.

Sizes and starts are those of the binaries in target/lambda. Instructions are counted by valgrind (callgrind), which counts the
same for the same binary, whatever else the machine does; times are the best of several starts. Calls are what functions log
of an order's run on the emulator that scripts/up started.

    footprint.py TARGET_DIR HELLO_WORLD LOCAL_JSON
"""

import gzip
import http.server
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3

MIB = 1024 * 1024
BARS = {"unzipped": 5 * MIB, "zipped": 2.3e6, "instructions": 2.0e6, "start": 1.3}
STARTS = 7


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """A Lambda runtime API that never has an event; it tells when a function polls for the first time."""

    polled: threading.Event

    def do_GET(self):
        RuntimeApi.polled.set()
        time.sleep(60)

    def log_message(self, *_):
        pass


def environment(port: int) -> dict[str, str]:
    return {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "footprint",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "RIALTO_STAGE": "local",
        "OUTBOX_DEAD_LETTERS": "http://127.0.0.1/queue",
    }


def until_first_poll(command: list[str], port: int) -> tuple[float, str]:
    """Seconds from spawn to first poll, and what the command said on standard error."""
    RuntimeApi.polled = threading.Event()
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment(port), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    polled = RuntimeApi.polled.wait(60)
    seconds = time.perf_counter() - started
    process.terminate()
    said = process.communicate()[1]
    if not polled:
        raise SystemExit(f"{command[-1]} didn't poll within a minute:\n{said}")
    return seconds, said


def instructions(binary: Path, port: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", str(binary)]
        said = until_first_poll(callgrind, port)[1]
    return int(re.search(r"Collected : (\d+)", said).group(1))


def zipped(data: bytes) -> int:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as file:
        file.write(data)
    return buffer.tell()


def measure(binary: Path, port: int) -> dict[str, float]:
    data = binary.read_bytes()
    start = min(until_first_poll([str(binary)], port)[0] for _ in range(STARTS))
    return {
        "unzipped": len(data),
        "zipped": zipped(data),
        "instructions": instructions(binary, port),
        "start": start,
    }


def print_functions(target: Path, hello: Path) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    least = measure(hello, port)
    print(f"{'function':34} {'MiB':>6} {'zip MB':>7} {'M instr.':>9} {'ms':>6} {'x hello':>8}")
    over = 0
    for binary in [hello, *sorted(target.glob("*/bootstrap"))]:
        name = "hello-world" if binary == hello else binary.parent.name
        figures = least if binary == hello else measure(binary, port)
        ratio = figures["start"] / least["start"]
        exceeded = [
            bar
            for bar, limit in BARS.items()
            if (ratio if bar == "start" else figures[bar]) > limit
        ]
        over += bool(exceeded)
        print(
            f"{name:34} {figures['unzipped'] / MIB:6.2f} {figures['zipped'] / 1e6:7.2f} "
            f"{figures['instructions'] / 1e6:9.2f} {figures['start'] * 1e3:6.1f} {ratio:8.2f}"
            + (f"   over: {', '.join(exceeded)}" if exceeded else "")
        )
    print(f"bars: 5 MiB, 2.3 MB zipped, 2.0 M instructions, 1.3 x hello-world; {over} functions over one of them\n")


class Api:
    def __init__(self, local: dict):
        self.local = local
        self.token = None

    def call(self, method: str, path: str, body=None, key=None):
        request = urllib.request.Request(self.local["api_url"] + path, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if key:
            request.add_header("Idempotency-Key", key)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]


def run_an_order(local: dict) -> str:
    """Reads a product, places an order twice, waits until it is CONFIRMED; returns its id."""
    api = Api(local)
    products = api.call("GET", "/products?limit=50")
    product = next(product for product in products if product["status"] == "SELL")
    api.call("GET", f"/products/{product['product_id']}")
    buyer = local["accounts"]["buyers"][0]
    login = api.call("POST", "/auth/login", {"email": buyer["email"], "password": buyer["password"]})
    api.token = login["access_token"]
    body = {
        "lines": [{"product_id": product["product_id"], "quantity": 1}],
        "address": {
            "receiver": "Kim Example",
            "line1": "1 Harbour Road",
            "zipcode": "20457",
            "phone": "+49401234567",
            "drop_off": "DOOR",
        },
        "payment_method": "pm_card_visa",
    }
    key = str(uuid.uuid4())
    order = api.call("POST", f"/users/{buyer['user_id']}/orders", body, key)
    deadline = time.monotonic() + 60
    while api.call("GET", f"/orders/{order['order_id']}")["state"] != "CONFIRMED":
        if time.monotonic() > deadline:
            raise SystemExit(f"{order['order_id']} wasn't CONFIRMED within a minute")
        time.sleep(0.1)
    api.call("POST", f"/users/{buyer['user_id']}/orders", body, key)
    return order["order_id"]


def log_lines(local: dict, since: float):
    endpoint = local["aws_endpoint"]
    logs = boto3.client("logs", endpoint_url=endpoint)
    for service in ["accounts", "catalog", "inventory", "orders", "payments"]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/rialto/local/{service}", startTime=int(since * 1000)
        )
        for page in pages:
            for event in page["events"]:
                for line in event["message"].splitlines():
                    if line.startswith("{"):
                        yield json.loads(line)


CALLS = [
    ("product read", 1, lambda line, _: line["function"] == "catalog-get-product" and line["message"] == "answered"),
    ("order placed", 2, lambda line, _: line["function"] == "orders-place-order" and line["message"] == "answered" and line["calls"] == 2),
    ("a replay", 1, lambda line, _: line["function"] == "orders-place-order" and line["message"] == "answered" and line["calls"] != 2),
    ("reserve", 1, lambda line, order: line.get("kind") == "OrderPlaced" and line["function"] == "inventory-on-orders" and line.get("correlation_id") == order and "calls" in line),
    ("pay", 3, lambda line, order: line.get("kind") == "StockReserved" and line["function"] == "payments-on-inventory" and line.get("correlation_id") == order and "calls" in line),
    ("confirm", 2, lambda line, order: line.get("kind") == "PaymentCaptured" and line["function"] == "orders-on-payments" and line.get("correlation_id") == order and "calls" in line),
    ("the authorizer", 1, lambda line, _: line["function"] == "accounts-authorizer" and "calls" in line),
]


def print_calls(local: dict) -> None:
    since = time.time() - 1
    order = run_an_order(local)
    lines = list(log_lines(local, since))
    print(f"{'DynamoDB round trips':34} {'bar':>4} {'seen':>6}")
    for what, bar, matches in CALLS:
        seen = sorted({line["calls"] for line in lines if matches(line, order)})
        text = ", ".join(map(str, seen)) or "none"
        print(f"{what:34} {bar:4} {text:>6}" + ("" if seen == [bar] else "   differs"))


def main() -> None:
    target, hello, local = map(Path, sys.argv[1:])
    print_functions(target, hello)
    print_calls(json.loads(local.read_text()))


os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
main()
