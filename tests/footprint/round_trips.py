"""Prints how many DynamoDB requests each step of an order takes, as the functions log them on an emulator.

    round_trips.py LOCAL_JSON

LOCAL_JSON  what scripts/up writes about the emulator that it started
"""

import json
import os
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3

SERVICES = ["accounts", "catalog", "inventory", "orders", "payments"]
ADDRESS = {
    "receiver": "Kim Example",
    "line1": "1 Harbour Road",
    "zipcode": "20457",
    "phone": "+49401234567",
    "drop_off": "DOOR",
}


class Api:
    def __init__(self, local: dict):
        self.url = local["api_url"]
        self.token: str | None = None

    def call(self, method: str, path: str, body=None, idempotency_key: str | None = None):
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if idempotency_key:
            request.add_header("Idempotency-Key", idempotency_key)
        with urllib.request.urlopen(request) as response:
            return json.load(response)["data"]


def confirm_an_order(local: dict) -> str:
    """Reads a product, places an order, waits until it is CONFIRMED and places it again; returns its id."""
    api = Api(local)
    products = api.call("GET", "/products?limit=50")
    product = next(product for product in products if product["status"] == "SELL")
    api.call("GET", f"/products/{product['product_id']}")
    buyer = local["accounts"]["buyers"][0]
    credentials = {"email": buyer["email"], "password": buyer["password"]}
    api.token = api.call("POST", "/auth/login", credentials)["access_token"]
    body = {
        "lines": [{"product_id": product["product_id"], "quantity": 1}],
        "address": ADDRESS,
        "payment_method": "pm_card_visa",
    }
    orders, key = f"/users/{buyer['user_id']}/orders", str(uuid.uuid4())
    order = api.call("POST", orders, body, key)["order_id"]
    deadline = time.monotonic() + 60
    while api.call("GET", f"/orders/{order}")["state"] != "CONFIRMED":
        if time.monotonic() > deadline:
            raise SystemExit(f"{order} wasn't CONFIRMED within a minute")
        time.sleep(0.1)
    api.call("POST", orders, body, key)
    return order


def log_lines(local: dict, since: float) -> Iterator[dict]:
    """The JSON lines of all services since a time that say how many requests were made."""
    logs = boto3.client("logs", endpoint_url=local["aws_endpoint"], region_name="eu-central-1")
    for service in SERVICES:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/rialto/local/{service}", startTime=int(since * 1000)
        )
        for page in pages:
            for event in page["events"]:
                for text in event["message"].splitlines():
                    if text.startswith("{") and "calls" in (line := json.loads(text)):
                        yield line


@dataclass
class Step:
    name: str
    target: int
    matches: Callable[[dict, str], bool]


def request_to(function: str) -> Callable[[dict, str], bool]:
    return lambda line, _: line["function"] == function


def event_at(function: str, kind: str) -> Callable[[dict, str], bool]:
    return lambda line, order: (
        line["function"] == function
        and line.get("kind") == kind
        and line.get("correlation_id") == order
    )


PLACE = "orders-place-order"
STEPS = [
    Step("product read", 1, request_to("catalog-get-product")),
    Step("order placed", 2, lambda line, _: line["function"] == PLACE and line["calls"] == 2),
    Step("order placed again", 1, lambda line, _: line["function"] == PLACE and line["calls"] != 2),
    Step("reserve", 1, event_at("inventory-on-orders", "OrderPlaced")),
    Step("pay", 3, event_at("payments-on-inventory", "StockReserved")),
    Step("confirm", 2, event_at("orders-on-payments", "PaymentCaptured")),
    Step("authorizer", 1, request_to("accounts-authorizer")),
]


def main() -> None:
    local = json.loads(Path(sys.argv[1]).read_text())
    since = time.time() - 1
    order = confirm_an_order(local)
    lines = list(log_lines(local, since))
    print(f"{'DynamoDB round trips':34} {'target':>6} {'seen':>6}")
    for step in STEPS:
        seen = sorted({line["calls"] for line in lines if step.matches(line, order)})
        note = "" if seen == [step.target] else "   differs"
        print(f"{step.name:34} {step.target:6} {', '.join(map(str, seen)) or 'none':>6}{note}")


os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
main()
