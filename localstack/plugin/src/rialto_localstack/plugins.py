"""The entry points of LocalStack that this package registers (pyproject.toml)."""

import os

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class LocalExecutorPlugin(RuntimeExecutorPlugin):
    """Selected by LAMBDA_RUNTIME_EXECUTOR=local: runs functions as local processes."""

    name = "local"

    def load(self, *args, **kwargs):
        from rialto_localstack.executor import LocalExecutor

        return LocalExecutor


@hooks.on_infra_start()
def dynamodb_from_npm():
    """Starts DynamoDB Local from the folder in RIALTO_DYNAMODB_LOCAL, which comes from npm, instead
    of downloading it."""
    folder = os.environ.get("RIALTO_DYNAMODB_LOCAL")
    if not folder:
        return

    from localstack.services.dynamodb.server import DynamodbServer
    from localstack.utils.run import ShellCommandThread
    from localstack.utils.threads import TMP_THREADS

    def start(server):
        command = ["java", f"-Djava.library.path={folder}/DynamoDBLocal_lib"]
        command += ["-jar", f"{folder}/DynamoDBLocal.jar", "-port", str(server.port)]
        command += ["-inMemory", "-disableTelemetry"]
        thread = ShellCommandThread(
            command, name="dynamodb-local", strip_color=True, auto_restart=True, quiet=True
        )
        TMP_THREADS.append(thread)
        thread.start()
        return thread

    DynamodbServer.do_start_thread = start
