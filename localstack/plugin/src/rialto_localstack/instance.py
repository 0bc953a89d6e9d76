"""A function's process, and the Lambda runtime API that serves it."""

import json
import os
import queue
import subprocess
import threading
import time
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/2018-06-01/runtime"


class InstanceEnded(Exception):
    """The process has ended, and another one has to be started."""


class Instance:
    def __init__(self, code: str, environment: dict[str, str], log):
        """Starts the process. Its output goes to the file `log`, without delay, so that it is
        complete when an invocation ends."""
        self.started: Future[None] = Future()
        self._invocations: queue.Queue[dict | None] = queue.Queue()
        self._response: Future[tuple[bytes, bool]] | None = None
        self._request_id = ""
        self._lock = threading.Lock()
        self._ended = False
        self._api = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        threading.Thread(
            target=self._api.serve_forever, kwargs={"poll_interval": 5}, daemon=True
        ).start()
        environment = environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}"}
        self._process = subprocess.Popen(
            [os.path.join(code, "bootstrap")],
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._wait_for_exit, daemon=True).start()

    def invoke(self, payload: dict, timeout: float) -> tuple[bytes, bool]:
        """Returns the response, and whether it is an error.

        Raises InstanceEnded, in which case the function hasn't seen the invocation, or
        TimeoutError.
        """
        with self._lock:
            if self._ended:
                raise InstanceEnded
            self._response, self._request_id = Future(), payload["invoke-id"]
            self._invocations.put(payload | {"deadline": int((time.time() + timeout) * 1000)})
        return self._response.result(timeout)

    def kill(self) -> None:
        with self._lock:
            self._ended = True
        self._process.kill()

    def _wait_for_exit(self) -> None:
        status = self._process.wait()
        reason = f"signal: {-status}" if status < 0 else f"exit status {status}"
        message = f"Runtime exited with error: {reason}"
        with self._lock:
            self._ended = True
            self._fail_pending({"errorType": "Runtime.ExitError", "errorMessage": message})
        self._invocations.put(None)
        self._api.shutdown()
        self._api.server_close()

    def _fail_pending(self, error: dict) -> None:
        if not self.started.done():
            self.started.set_exception(StartError(json.dumps(error).encode()))
        if self._response and not self._response.done():
            self._response.set_result((json.dumps(error).encode(), True))

    # The operations of the runtime API.

    def next_invocation(self) -> dict | None:
        if not self.started.done():
            self.started.set_result(None)
        return self._invocations.get()

    def complete(self, request_id: str, body: bytes, is_error: bool) -> None:
        with self._lock:
            if self._response and request_id == self._request_id and not self._response.done():
                self._response.set_result((body, is_error))

    def fail_start(self, body: bytes) -> None:
        with self._lock:
            if not self.started.done():
                self.started.set_exception(StartError(body))


class StartError(Exception):
    """The process ended or reported an error before it asked for its first invocation."""

    def __init__(self, payload: bytes):
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


def _handler_for(instance: Instance) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self):
            invocation = (
                instance.next_invocation() if self.path == f"{PREFIX}/invocation/next" else None
            )
            if invocation is None:
                self.close_connection = True
                return self._respond(404 if not instance._ended else 410, b"{}")
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation["invoke-id"],
                "Lambda-Runtime-Invoked-Function-Arn": invocation["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": invocation["trace-id"],
                "Lambda-Runtime-Deadline-Ms": str(invocation["deadline"]),
            }
            self._respond(200, invocation["payload"].encode(), headers)

        def do_POST(self):
            body = self._read_body()
            parts = self.path.removeprefix(f"{PREFIX}/").split("/")
            match parts:
                case ["init", "error"]:
                    instance.fail_start(body)
                case ["invocation", request_id, "response"]:
                    instance.complete(request_id, body, is_error=False)
                case ["invocation", request_id, "error"]:
                    instance.complete(request_id, body, is_error=True)
                case _:
                    return self._respond(404, b"{}")
            self._respond(202, b'{"status":"OK"}')

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            headers = headers or {}
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
