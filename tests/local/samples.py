"""Prepares the samples in events/samples for an invocation, and checks the responses.

samples.py fill RUN_DIR FOLDER FUNCTION...    writes FOLDER/FUNCTION.json for each function
samples.py check FUNCTION SAMPLE RESPONSE     prints the kind of response; exits with status 1 if
                                              it isn't the expected one

The samples of routes contain made-up ids and placeholders such as `<access token>`. `fill` replaces
them with those of new accounts, which have a product, an address and an order, so that the demo
data stays unchanged. The supervisor is the one of the demo data. Samples of queues, streams and
schedules are used as they are.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

PASSWORD = "correct horse battery"
# Expected error responses.
EXPECTED_ERRORS = {
    "accounts-reset-password": 400,  # the reset code is known only from a mail
    "catalog-set-product-status": 409,  # the product is on sale already
    "delivery-add-parcel": 404,  # one of its deliveries is unknown
    "delivery-confirm-receipt": 409,  # the delivery is PREPARED
    "delivery-get-parcel": 404,  # nothing was sent
    "delivery-set-parcel-status": 404,  # nothing was sent
    "delivery-set-status": 409,  # the line isn't accepted
    "orders-cancel-order": 409,  # the order is CONFIRMED
    "orders-confirm-return": 409,  # the sample of orders-confirm-cancel cancelled the line
    "orders-decline-return": 409,  # the same
    "orders-reject-line": 409,  # the same
    "orders-return-line": 409,  # the same
    "orders-split-line": 409,  # the same
    "payments-pay-again": 404,  # the order is unknown
    "payments-refund-order": 409,  # the sample of payments-on-orders voided the payment
}


class Api:
    def __init__(self, url: str) -> None:
        self.url = url

    def send(
        self, method: str, path: str, body=None, token: str = "", key: str = ""
    ) -> tuple[int, dict]:
        """The status and the body of the response."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def send_until_success(self, *arguments, **options) -> dict:
        """Retries for a minute, because other services learn of products and orders by events."""
        deadline = time.time() + 60
        while True:
            status, body = self.send(*arguments, **options)
            if status < 300:
                return body
            if time.time() > deadline:
                sys.exit(f"error: {arguments[0]} {arguments[1]} returned {status}: {body}")
            time.sleep(0.1)

    def log_in(self, email: str, password: str) -> dict:
        body = {"email": email, "password": password}
        return self.send_until_success("POST", "/auth/login", body)["data"]


def claims(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class Fixtures:
    """A buyer and a seller with a product, an address and an order, each created on first use."""

    def __init__(self, api: Api, supervisor: dict) -> None:
        self.api, self.created, self.supervisor = api, {}, supervisor

    def __getattr__(self, name: str):
        if name not in self.created:
            self.created[name] = getattr(self, f"create_{name}")()
        return self.created[name]

    def create_account(self, kind: str, token: str = "") -> dict:
        email = f"sample-{uuid.uuid4().hex}@rialto.example"
        person = {"email": email, "password": PASSWORD, "name": "Sample", "phone": "+4915550100"}
        self.api.send_until_success("POST", f"/{kind}", person, token=token)
        return self.api.log_in(email, PASSWORD) | {"email": email}

    def create_buyer(self) -> dict:
        return self.create_account("users")

    def create_seller(self) -> dict:
        return self.create_account("sellers", token=self.supervisor["access_token"])

    def create_items(self) -> list[str]:
        return [
            product["item_id"]
            for product in self.api.send_until_success("GET", "/products?limit=2")["data"]
        ]

    def create_product(self) -> str:
        token = self.seller["access_token"]
        body = {
            "item_id": self.items[0],
            "title": "Sample",
            "description": "For a sample.",
            "images": [],
            "price": 1900,
        }
        body["initial_stock"] = 30
        created = self.api.send_until_success("POST", "/products", body, token=token)
        product = created["data"]["product_id"]
        self.api.send_until_success(
            "PUT", f"/products/{product}/status", {"status": "SELL"}, token=token
        )
        self.api.send_until_success("GET", f"/products/{product}/stock", token=token)
        return product

    def create_address(self) -> str:
        body = {
            "receiver": "Sample",
            "line1": "7 Mill Lane",
            "zipcode": "10115",
            "phone": "+4915550100",
            "drop_off": "DOOR",
        }
        path = f"/users/{self.id(self.buyer)}/addresses"
        return self.api.send_until_success("POST", path, body, token=self.buyer["access_token"])[
            "data"
        ]["address_id"]

    def create_order(self) -> str:
        token = self.buyer["access_token"]
        body = {
            "lines": [{"product_id": self.product, "quantity": 1}],
            "address": {
                "receiver": "Sample",
                "line1": "7 Mill Lane",
                "zipcode": "10115",
                "phone": "+4915550100",
                "drop_off": "DOOR",
            },
            "payment_method": "pm_card_visa",
        }
        path = f"/users/{self.id(self.buyer)}/orders"
        order = self.api.send_until_success("POST", path, body, token=token, key=str(uuid.uuid4()))[
            "data"
        ]["order_id"]
        deadline = time.time() + 60
        while (
            self.api.send_until_success("GET", f"/orders/{order}", token=token)["data"]["state"]
            != "CONFIRMED"
        ):
            if time.time() > deadline:
                sys.exit(f"error: {order} isn't CONFIRMED after a minute")
            time.sleep(0.1)
        return order

    def create_delivery(self) -> str:
        order, token = self.order, self.buyer["access_token"]
        path = f"/users/{self.id(self.buyer)}/deliveries"
        deadline = time.time() + 60
        while True:
            for delivery in self.api.send_until_success("GET", path, token=token)["data"]:
                if delivery["order_id"] == order:
                    return delivery["delivery_id"]
            if time.time() > deadline:
                sys.exit(f"error: {order} has no delivery after a minute")
            time.sleep(0.1)

    @staticmethod
    def id(account: dict) -> str:
        return claims(account["access_token"])["sub"]


def fill_sample(function: str, sample: dict, fixtures: Fixtures, run_dir: str) -> dict:
    if "httpMethod" not in sample:
        return sample
    context = sample["requestContext"]
    role = context.get("authorizer", {}).get("role")
    # The authorizer's sample has no authorizer context.
    if role == "SELLER":
        account = fixtures.seller
    elif role == "SUPERVISOR":
        account = fixtures.supervisor
    else:
        account = fixtures.buyer
    token_claims = claims(account["access_token"])
    text = json.dumps(sample)
    replacements = {
        "<access token>": lambda: account["access_token"],
        "<refresh token>": lambda: account["refresh_token"],
        "<what it was>": lambda: PASSWORD,
        "<ten characters or more>": lambda: PASSWORD,
        "ann.lee@mail.example": lambda: fixtures.buyer["email"],
        "sales@lamps.example": lambda: f"sample-{uuid.uuid4().hex}@rialto.example",
        "usr_01m7yq1whx4c6d8f0g2h4j6k8m": lambda: fixtures.id(fixtures.buyer),
        "usr_01m7yq1whx0k2v9d4r8t6b3n5c": lambda: fixtures.id(fixtures.buyer),
        "sel_01m7yq1whxtfwkj22ar3p70x9z": lambda: fixtures.id(fixtures.seller),
        "ses_01m7yq1whx2c4d6f8g0h1j3k5m": lambda: token_claims["sid"],
        "adr_01m7yq1whx9q8p7n6m5k4j3h2g": lambda: fixtures.address,
        "prd_01m7yq1whxp8vvmh99e3d8ee2y": lambda: fixtures.product,
        "itm_01m7yq1whxezwg7dn257k45y71": lambda: fixtures.items[1],
        "dlv_5c1d8x5r0q7z4n3b2w1y3v9k2m": lambda: fixtures.delivery,
    }
    if function.startswith(("orders-", "payments-get-")):
        replacements["ord_5kz3m8q1x7c9v2b4n6t8r0w3ye"] = lambda: fixtures.order
    if function == "accounts-register-user":
        replacements["ann.lee@mail.example"] = replacements["sales@lamps.example"]
    for placeholder, value in replacements.items():
        if placeholder in text:
            text = text.replace(placeholder, value())
    sample = json.loads(text)
    if role:
        sample["requestContext"]["authorizer"] = {
            "principalId": token_claims["sub"],
            "sub": token_claims["sub"],
            "sid": token_claims["sid"],
            "role": token_claims["role"],
            "session": "active",
        }
    headers = {}
    if function == "payments-receive-webhook":
        now = str(int(time.time()))
        payload = f"{now}.{sample['body']}".encode()
        signature = hmac.new(secret(run_dir, "webhook-secret"), payload, hashlib.sha256)
        headers["Stripe-Signature"] = f"t={now},v1={signature.hexdigest()}"
    if function == "platform-simulate-provider":
        headers["Authorization"] = f"Bearer {secret(run_dir, 'provider-key').decode()}"
    for name, value in headers.items():
        sample["headers"][name], sample["multiValueHeaders"][name] = value, [value]
    return sample


def secret(run_dir: str, name: str) -> bytes:
    with open(f"{run_dir}/{name}", "rb") as file:
        return file.read().strip()


def fill(run_dir: str, folder: str, *functions: str) -> None:
    with open(f"{run_dir}/local.json") as file:
        local = json.load(file)
    api, supervisor = Api(local["api_url"]), local["accounts"]["supervisor"]
    supervisor = api.log_in(supervisor["email"], supervisor["password"])
    shared = Fixtures(api, supervisor)
    os.makedirs(folder, exist_ok=True)
    for function in functions:
        with open(f"events/samples/{function}.json") as file:
            sample = json.load(file)
        # Some functions of accounts end a session or close an account.
        fixtures = Fixtures(api, supervisor) if function.startswith("accounts-") else shared
        with open(f"{folder}/{function}.json", "w") as file:
            json.dump(fill_sample(function, sample, fixtures, run_dir), file)


def check(function: str, sample_file: str, response_file: str) -> None:
    with open(sample_file) as file:
        sample = json.load(file)
    with open(response_file) as file:
        response = json.load(file)
    if isinstance(response, dict) and "errorType" in response:
        sys.exit(1)
    if function == "accounts-authorizer":
        effect = response["policyDocument"]["Statement"][0]["Effect"]
        print(f"authorizer: {effect}")
        sys.exit(effect != "Allow" or response.get("context", {}).get("session") != "active")
    if "httpMethod" in sample:
        status = response["statusCode"]
        print(f"route: {status}")
        sys.exit(not (status < 300 or status == EXPECTED_ERRORS.get(function)))
    # Consumers may ask for a retry, because the orders in the samples don't exist.
    retry = isinstance(response, dict) and response.get("batchItemFailures")
    print("event: retry requested" if retry else "event: processed")


if __name__ == "__main__":
    {"fill": fill, "check": check}[sys.argv[1]](*sys.argv[2:])
