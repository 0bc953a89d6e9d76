"""One process of a function, and the runtime API that it asks for its work."""

import json
import os
import queue
import subprocess
import threading
import time
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/2018-06-01/runtime"


class Ended(Exception):
    """The process has ended; another one is needed."""


class Instance:
    def __init__(self, code: str, environment: dict[str, str], log):
        """Starts the process. What it prints goes to `log`, a file: it is there before the answer is."""
        self.started: Future[None] = Future()
        self._work: queue.Queue[dict | None] = queue.Queue()
        self._answer: Future[tuple[bytes, bool]] | None = None
        self._request_id = ""
        self._lock = threading.Lock()
        self._ended = False
        self._api = ThreadingHTTPServer(("127.0.0.1", 0), _api_of(self))
        threading.Thread(target=self._api.serve_forever, kwargs={"poll_interval": 5}, daemon=True).start()
        environment = environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}"}
        self._process = subprocess.Popen(
            [os.path.join(code, "bootstrap")],
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._bury, daemon=True).start()

    def invoke(self, payload: dict, timeout: float) -> tuple[bytes, bool]:
        """The answer's bytes, and whether it is an error. Raises Ended, before anything was done, and TimeoutError."""
        with self._lock:
            if self._ended:
                raise Ended
            self._answer, self._request_id = Future(), payload["invoke-id"]
            self._work.put(payload | {"deadline": int((time.time() + timeout) * 1000)})
        return self._answer.result(timeout)

    def kill(self) -> None:
        with self._lock:
            self._ended = True
        self._process.kill()

    def _bury(self) -> None:
        status = self._process.wait()
        how = f"signal: {-status}" if status < 0 else f"exit status {status}"
        with self._lock:
            self._ended = True
            self._settle({"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with error: {how}"})
        self._work.put(None)
        self._api.shutdown()
        self._api.server_close()

    def _settle(self, error: dict) -> None:
        if not self.started.done():
            self.started.set_exception(StartError(json.dumps(error).encode()))
        if self._answer and not self._answer.done():
            self._answer.set_result((json.dumps(error).encode(), True))

    # What the runtime API's requests do.

    def next(self) -> dict | None:
        if not self.started.done():
            self.started.set_result(None)
        return self._work.get()

    def answered(self, request_id: str, body: bytes, is_error: bool) -> None:
        with self._lock:
            if self._answer and request_id == self._request_id and not self._answer.done():
                self._answer.set_result((body, is_error))

    def failed_to_start(self, body: bytes) -> None:
        with self._lock:
            if not self.started.done():
                self.started.set_exception(StartError(body))


class StartError(Exception):
    """The process ended, or said that it can't go on, before it asked for work."""

    def __init__(self, payload: bytes):
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


def _api_of(instance: Instance) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self):
            work = instance.next() if self.path == f"{PREFIX}/invocation/next" else None
            if work is None:
                self.close_connection = True
                return self._reply(404 if not instance._ended else 410, b"{}")
            headers = {
                "Lambda-Runtime-Aws-Request-Id": work["invoke-id"],
                "Lambda-Runtime-Invoked-Function-Arn": work["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": work["trace-id"],
                "Lambda-Runtime-Deadline-Ms": str(work["deadline"]),
            }
            self._reply(200, work["payload"].encode(), headers)

        def do_POST(self):
            body = self._body()
            parts = self.path.removeprefix(f"{PREFIX}/").split("/")
            match parts:
                case ["init", "error"]:
                    instance.failed_to_start(body)
                case ["invocation", request_id, "response"]:
                    instance.answered(request_id, body, is_error=False)
                case ["invocation", request_id, "error"]:
                    instance.answered(request_id, body, is_error=True)
                case _:
                    return self._reply(404, b"{}")
            self._reply(202, b'{"status":"OK"}')

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Api
