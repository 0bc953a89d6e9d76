"""LocalStack's execution environment as a process of this machine: started for its first call, kept for the next ones, and
started anew after it crashed or took too long."""

import json
import os
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from rialto_localstack.instance import Ended, Instance, StartError

# What a process needs of this machine besides what Lambda gives a function.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "RUST_BACKTRACE")


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
            payload = getattr(error, "payload", b'{"errorType":"Sandbox.Timedout","errorMessage":"Its start took too long"}')
            raise StatusErrorException("the function can't start", payload=payload) from error

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        read = self._log.stat().st_size
        timeout = self.function_version.config.timeout
        try:
            answer, is_error = self._answer(payload, timeout)
        except TimeoutError:
            self._instance.kill()
            message = f"{payload['invoke-id']} Task timed out after {timeout:.2f} seconds"
            answer, is_error = json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": message}).encode(), True
        with open(self._log, "rb") as log:
            log.seek(read)
            logs = log.read().decode(errors="replace")
        return InvocationResult(payload["invoke-id"], answer, is_error, logs or "(nothing)")

    def _answer(self, payload: dict[str, str], timeout: int) -> tuple[bytes, bool]:
        try:
            return self._instance.invoke(payload, timeout)
        except Ended:
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
        # Of the client in LocalStack's own images; nobody asks it here.
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        code = function_version.config.code
        code.prepare_for_execution()
        Path(code.get_unzipped_code_location(), "bootstrap").chmod(0o755)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        pass
