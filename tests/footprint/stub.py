"""A local HTTP server that stands in for everything a function talks to while it is measured.

It serves the Lambda runtime API, which hands out a given number of invocations, and answers the AWS requests
that a read makes: DynamoDB's GetItem, of a product and of the settings' copy, in which no setting is set.
"""

import http.server
import json
import threading
import time

PRODUCT = {
    "pk": {"S": "PRODUCT#prd_01m7yq1whxp8vvmh99e3d8ee2y"},
    "sk": {"S": "PRODUCT"},
    "product_id": {"S": "prd_01m7yq1whxp8vvmh99e3d8ee2y"},
    "seller_id": {"S": "sel_01m7yq1whxp8vvmh99e3d8ee2y"},
    "item_id": {"S": "itm_01m7yq1whxp8vvmh99e3d8ee2y"},
    "category_id": {"S": "cat_01m7yq1whxp8vvmh99e3d8ee2y"},
    "brand_id": {"S": "brd_01m7yq1whxp8vvmh99e3d8ee2y"},
    "title": {"S": "Cast iron skillet, 26 cm"},
    "description": {"S": "Pre-seasoned.\nFor every hob, and the oven."},
    "images": {"L": [{"S": "https://images.rialto.example/skillet.jpg"}]},
    "price": {"N": "3990"},
    "flash_sale": {"BOOL": False},
    "chosen_status": {"S": "SELL"},
    "in_stock": {"BOOL": True},
    "stock_sequence": {"N": "7"},
    "rating_sum": {"N": "46"},
    "rating_count": {"N": "10"},
    "created_at": {"S": "2026-11-21T09:30:00.125Z"},
    "version": {"N": "3"},
}

SETTINGS = {
    "pk": {"S": "SETTINGS"},
    "sk": {"S": "SETTINGS"},
    "version": {"N": "1"},
    "settings": {"M": {name: {"NULL": True} for name in ("auth/jwks", "http/allowed-origins", "shop/currency")}},
}


def answer(target: str, request: dict) -> dict:
    if target != "DynamoDB_20120810.GetItem":
        raise ValueError(f"no answer to {target}")
    return {"Item": SETTINGS if request["TableName"].endswith("-settings") else PRODUCT}



class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Stub"

    def do_GET(self) -> None:
        """The runtime API's next invocation."""
        stub = self.server
        if stub.remaining == 0:
            stub.idle.set()
            time.sleep(60)
            return
        stub.remaining -= 1
        deadline = int((time.time() + 300) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"c6af9ac6-7b61-11e6-9a41-{stub.remaining:012}",
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:footprint",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }
        self.respond(200, stub.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.read_chunks()
        target = self.headers.get("X-Amz-Target")
        if target is None:
            self.server.responses.append((self.path.rsplit("/", 1)[-1], body))
            self.respond(202, b"{}", {})
        else:
            self.server.requests.append(target)
            response = json.dumps(answer(target, json.loads(body))).encode()
            self.respond(200, response, {"Content-Type": "application/x-amz-json-1.0"})

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


class Stub(http.server.ThreadingHTTPServer):
    """`idle` is set when a function polls and no invocation remains."""

    daemon_threads = True

    def __init__(self, event: bytes = b"{}"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.event = event
        self.reset(0)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def reset(self, invocations: int) -> None:
        self.remaining = invocations
        self.idle = threading.Event()
        self.responses: list[tuple[str, bytes]] = []
        self.requests: list[str] = []
