"""What LocalStack finds by its entry points (pyproject.toml)."""

import os

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class LocalExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=local: functions are processes of this machine."""

    name = "local"

    def load(self, *args, **kwargs):
        from rialto_localstack.executor import LocalExecutor

        return LocalExecutor


@hooks.on_infra_start()
def dynamodb_from_npm():
    """DynamoDB Local comes from the npm package whose folder RIALTO_DYNAMODB_LOCAL names; LocalStack would download it."""
    folder = os.environ.get("RIALTO_DYNAMODB_LOCAL")
    if not folder:
        return

    from localstack.services.dynamodb.server import DynamodbServer
    from localstack.utils.run import ShellCommandThread
    from localstack.utils.threads import TMP_THREADS

    def start(server):
        command = ["java", f"-Djava.library.path={folder}/DynamoDBLocal_lib", "-jar", f"{folder}/DynamoDBLocal.jar"]
        command += ["-port", str(server.port), "-inMemory", "-disableTelemetry"]
        thread = ShellCommandThread(command, name="dynamodb-local", strip_color=True, auto_restart=True, quiet=True)
        TMP_THREADS.append(thread)
        thread.start()
        return thread

    DynamodbServer.do_start_thread = start
