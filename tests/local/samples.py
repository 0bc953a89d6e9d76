"""The samples as a function can read them to the end, and whether it did.

    samples.py fill RUN_DIR FOLDER FUNCTION…     writes FOLDER/FUNCTION.json for each
    samples.py check FUNCTION SAMPLE ANSWER      prints what the answer is; fails if it isn't what the function should say

In events/samples stand ids of nobody, and `<access token>` for a token. Here are real ones: of accounts that are made for
this, with a product, an address and an order, so that the shop's own stay as they are. The supervisor is the shop's. What
comes by queue, stream or schedule is handed over as it is.
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
# Answers that are right and no success.
REFUSALS = {
    "accounts-reset-password": 400,  # the code was only mailed
    "catalog-set-product-status": 409,  # it is on sale already
    "orders-cancel-order": 409,  # it is CONFIRMED
}


class Api:
    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body=None, token: str = "", key: str = "") -> tuple[int, dict]:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def get(self, *arguments, **options) -> dict:
        """Asks until it succeeds: products and orders are known everywhere only after a while."""
        deadline = time.time() + 60
        while True:
            status, answer = self.ask(*arguments, **options)
            if status < 300:
                return answer
            if time.time() > deadline:
                sys.exit(f"{arguments[0]} {arguments[1]} answers {status}: {answer}")
            time.sleep(0.1)

    def log_in(self, email: str, password: str) -> dict:
        return self.get("POST", "/auth/login", {"email": email, "password": password})["data"]


def claims(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class Cast:
    """A buyer and a seller of their own, with what is theirs; each made when it is asked for first."""

    def __init__(self, api: Api, supervisor: dict) -> None:
        self.api, self.made, self.supervisor = api, {}, supervisor

    def __getattr__(self, name: str):
        if name not in self.made:
            self.made[name] = getattr(self, f"make_{name}")()
        return self.made[name]

    def account(self, kind: str, token: str = "") -> dict:
        email = f"sample-{uuid.uuid4().hex}@rialto.example"
        person = {"email": email, "password": PASSWORD, "name": "Sample", "phone": "+4915550100"}
        self.api.get("POST", f"/{kind}", person, token=token)
        return self.api.log_in(email, PASSWORD) | {"email": email}

    def make_buyer(self) -> dict:
        return self.account("users")

    def make_seller(self) -> dict:
        return self.account("sellers", token=self.supervisor["access_token"])

    def make_items(self) -> list[str]:
        return [product["item_id"] for product in self.api.get("GET", "/products?limit=2")["data"]]

    def make_product(self) -> str:
        token = self.seller["access_token"]
        body = {"item_id": self.items[0], "title": "Sample", "description": "Of a sample.", "images": [], "price": 1900}
        answer = self.api.get("POST", "/products", body | {"initial_stock": 30}, token=token)
        product = answer["data"]["product_id"]
        self.api.get("PUT", f"/products/{product}/status", {"status": "SELL"}, token=token)
        self.api.get("GET", f"/products/{product}/stock", token=token)
        return product

    def make_address(self) -> str:
        body = {"receiver": "Sample", "line1": "7 Mill Lane", "zipcode": "10115", "phone": "+4915550100", "drop_off": "DOOR"}
        path = f"/users/{self.id(self.buyer)}/addresses"
        return self.api.get("POST", path, body, token=self.buyer["access_token"])["data"]["address_id"]

    def make_order(self) -> str:
        token = self.buyer["access_token"]
        body = {
            "lines": [{"product_id": self.product, "quantity": 1}],
            "address": {"receiver": "Sample", "line1": "7 Mill Lane", "zipcode": "10115", "phone": "+4915550100", "drop_off": "DOOR"},
            "payment_method": "pm_card_visa",
        }
        path = f"/users/{self.id(self.buyer)}/orders"
        order = self.api.get("POST", path, body, token=token, key=str(uuid.uuid4()))["data"]["order_id"]
        deadline = time.time() + 60
        while self.api.get("GET", f"/orders/{order}", token=token)["data"]["state"] != "CONFIRMED":
            if time.time() > deadline:
                sys.exit(f"{order} isn't CONFIRMED after a minute")
            time.sleep(0.1)
        return order

    @staticmethod
    def id(account: dict) -> str:
        return claims(account["access_token"])["sub"]


def filled(function: str, sample: dict, cast: Cast, run_dir: str) -> dict:
    if "httpMethod" not in sample:
        return sample
    context = sample["requestContext"]
    role = context.get("authorizer", {}).get("role")
    # The authorizer's own sample has no context yet.
    account = {"SELLER": lambda: cast.seller, "SUPERVISOR": lambda: cast.supervisor}.get(role, lambda: cast.buyer)()
    told = claims(account["access_token"])
    text = json.dumps(sample)
    stand_ins = {
        "<access token>": lambda: account["access_token"],
        "<refresh token>": lambda: account["refresh_token"],
        "<what it was>": lambda: PASSWORD,
        "<ten characters or more>": lambda: PASSWORD,
        "ann.lee@mail.example": lambda: cast.buyer["email"],
        "sales@lamps.example": lambda: f"sample-{uuid.uuid4().hex}@rialto.example",
        "usr_01m7yq1whx4c6d8f0g2h4j6k8m": lambda: cast.id(cast.buyer),
        "usr_01m7yq1whx0k2v9d4r8t6b3n5c": lambda: cast.id(cast.buyer),
        "sel_01m7yq1whxtfwkj22ar3p70x9z": lambda: cast.id(cast.seller),
        "ses_01m7yq1whx2c4d6f8g0h1j3k5m": lambda: told["sid"],
        "adr_01m7yq1whx9q8p7n6m5k4j3h2g": lambda: cast.address,
        "prd_01m7yq1whxp8vvmh99e3d8ee2y": lambda: cast.product,
        "itm_01m7yq1whxezwg7dn257k45y71": lambda: cast.items[1],
    }
    if function.startswith(("orders-", "payments-get-")):
        stand_ins["ord_5kz3m8q1x7c9v2b4n6t8r0w3ye"] = lambda: cast.order
    if function == "accounts-register-user":
        stand_ins["ann.lee@mail.example"] = stand_ins["sales@lamps.example"]
    for stands, real in stand_ins.items():
        if stands in text:
            text = text.replace(stands, real())
    sample = json.loads(text)
    if role:
        sample["requestContext"]["authorizer"] = {
            "principalId": told["sub"],
            "sub": told["sub"],
            "sid": told["sid"],
            "role": told["role"],
            "session": "active",
        }
    headers = {}
    if function == "payments-receive-webhook":
        now = str(int(time.time()))
        signed = hmac.new(secret(run_dir, "webhook-secret"), f"{now}.{sample['body']}".encode(), hashlib.sha256)
        headers["Stripe-Signature"] = f"t={now},v1={signed.hexdigest()}"
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
    shared = Cast(api, supervisor)
    os.makedirs(folder, exist_ok=True)
    for function in functions:
        with open(f"events/samples/{function}.json") as file:
            sample = json.load(file)
        # Some functions of accounts end a session or an account, so each gets its own.
        cast = Cast(api, supervisor) if function.startswith("accounts-") else shared
        with open(f"{folder}/{function}.json", "w") as file:
            json.dump(filled(function, sample, cast, run_dir), file)


def check(function: str, sample: str, answer: str) -> None:
    with open(sample) as file:
        sample = json.load(file)
    with open(answer) as file:
        answer = json.load(file)
    if isinstance(answer, dict) and "errorType" in answer:
        sys.exit(1)
    if function == "accounts-authorizer":
        effect = answer["policyDocument"]["Statement"][0]["Effect"]
        print(f"the authorizer says {effect}")
        sys.exit(effect != "Allow" or answer.get("context", {}).get("session") != "active")
    if "httpMethod" in sample:
        status = answer["statusCode"]
        print(status)
        sys.exit(not (status < 300 or status == REFUSALS.get(function)))
    # A consumer may well want a message again: the order in a sample isn't there.
    again = isinstance(answer, dict) and answer.get("batchItemFailures")
    print("an event, wanted again" if again else "an event, done")


if __name__ == "__main__":
    {"fill": fill, "check": check}[sys.argv[1]](*sys.argv[2:])
