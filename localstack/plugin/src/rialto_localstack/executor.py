"""Runs Lambda functions as local processes. A process is started before its first invocation,
reused for later ones, and replaced after a crash or a timeout."""

import json
import os
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from rialto_localstack.instance import Instance, InstanceEnded, StartError

# Variables of LocalStack's environment that a function needs besides those that Lambda sets.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "RUST_BACKTRACE")

START_TIMEOUT = b'{"errorType":"Sandbox.Timedout","errorMessage":"The start took too long"}'


class LocalExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._instance: Instance | None = None
        logs = Path(config.dirs.logs or config.dirs.tmp)
        logs.mkdir(parents=True, exist_ok=True)
        self._log = logs / f"{function_version.id.function_name}-{id}.log"

    def start(self, env_vars: dict[str, str]) -> None:
        self._environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self._environment |= {name: str(value) for name, value in env_vars.items()}
        if endpoint := os.environ.get("RIALTO_FUNCTIONS_ENDPOINT"):
            self._environment["AWS_ENDPOINT_URL"] = endpoint
        self._spawn()

    def _spawn(self) -> None:
        with open(self._log, "ab") as log:
            code = str(self.function_version.config.code.get_unzipped_code_location())
            self._instance = Instance(code, self._environment, log)
        try:
            self._instance.started.result(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
        except (StartError, TimeoutError) as error:
            self._instance.kill()
            payload = getattr(error, "payload", START_TIMEOUT)
            raise StatusErrorException("the function can't start", payload=payload) from error

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        offset = self._log.stat().st_size
        timeout = self.function_version.config.timeout
        try:
            response, is_error = self._invoke_instance(payload, timeout)
        except TimeoutError:
            self._instance.kill()
            message = f"{payload['invoke-id']} Task timed out after {timeout:.2f} seconds"
            error = {"errorType": "Sandbox.Timedout", "errorMessage": message}
            response, is_error = json.dumps(error).encode(), True
        with open(self._log, "rb") as log:
            log.seek(offset)
            logs = log.read().decode(errors="replace")
        return InvocationResult(payload["invoke-id"], response, is_error, logs or "(no output)")

    def _invoke_instance(self, payload: dict[str, str], timeout: int) -> tuple[bytes, bool]:
        try:
            return self._instance.invoke(payload, timeout)
        except InstanceEnded:
            self._spawn()
            return self._instance.invoke(payload, timeout)

    def stop(self) -> None:
        if self._instance:
            self._instance.kill()

    def get_logs(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        # Used only by the runtime client in LocalStack's container images.
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        code = function_version.config.code
        code.prepare_for_execution()
        Path(code.get_unzipped_code_location(), "bootstrap").chmod(0o755)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass
