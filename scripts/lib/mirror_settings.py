"""Copies a stage's settings to the table that functions read. Needs boto3: run it with .venv/sam's
Python.

mirror_settings.py STAGE

Invokes platform-mirror-settings, if the stage has it. Exits with status 1 if that fails.
"""

import sys
import time
from collections.abc import Sequence
from typing import Protocol

import boto3
import botocore.exceptions

# In seconds, between attempts: a changed role takes effect a little after the deployment.
PAUSES = (2, 4, 8, 16)


class Lambda(Protocol):
    """What is used of boto3's client."""

    def invoke(self, *, FunctionName: str) -> dict: ...


def mirror_settings(client: Lambda, stage: str, pauses: Sequence[float] = PAUSES) -> str | None:
    """Copies the settings. Returns why it failed, and what to do."""
    function = f"rialto-{stage}-platform-mirror-settings"
    advice = (
        "The stack is deployed, but functions may have to read settings that this release adds "
        f"from Parameter Store. {function} copies them every five minutes; its log is in "
        f"/rialto/{stage}/platform. Run scripts/deploy again, or invoke the function."
    )
    try:
        response = client.invoke(FunctionName=function)
        for pause in pauses:
            if "FunctionError" not in response:
                break
            time.sleep(pause)
            response = client.invoke(FunctionName=function)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        return f"{function} can't be invoked: {error}\n  {advice}"
    except botocore.exceptions.BotoCoreError as error:
        return f"{function} can't be invoked: {error}\n  {advice}"
    if "FunctionError" in response:
        reason = response["Payload"].read().decode(errors="replace")
        return f"{function} failed: {reason}\n  {advice}"
    return None


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failure = mirror_settings(boto3.client("lambda"), sys.argv[1])
    if failure is not None:
        sys.exit(f"error: {failure}")
