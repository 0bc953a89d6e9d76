"""Tests of how scripts/deploy copies the settings."""

import io
import sys
import unittest
from pathlib import Path

import botocore.exceptions

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

from mirror_settings import mirror_settings  # noqa: E402


class StubLambda:
    """Returns responses or raises errors, in order, and records the function's name."""

    def __init__(self, *outcomes: dict | Exception):
        self.outcomes = list(outcomes)
        self.invoked: list[str] = []

    def invoke(self, *, FunctionName: str) -> dict:
        self.invoked.append(FunctionName)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def client_error(code: str) -> Exception:
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": ""}}, "Invoke")


class MirrorSettingsTest(unittest.TestCase):
    def test_the_function_of_the_stage_is_invoked(self):
        client = StubLambda({"StatusCode": 200, "Payload": io.BytesIO(b"{}")})
        self.assertIsNone(mirror_settings(client, "test"))
        self.assertEqual(client.invoked, ["rialto-test-platform-mirror-settings"])

    def test_a_stage_without_the_function_is_no_failure(self):
        client = StubLambda(client_error("ResourceNotFoundException"))
        self.assertIsNone(mirror_settings(client, "test"))

    def test_a_failed_invocation_is_retried(self):
        failed = {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"denied")}
        client = StubLambda(failed, {"StatusCode": 200, "Payload": io.BytesIO(b"{}")})
        self.assertIsNone(mirror_settings(client, "test", pauses=(0, 0)))
        self.assertEqual(len(client.invoked), 2)

    def test_failures_have_advice(self):
        failed = {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"no table")}
        denied = client_error("AccessDeniedException")
        for outcome, reason in ((failed, "no table"), (denied, "AccessDenied")):
            failure = mirror_settings(StubLambda(outcome), "test", pauses=()) or ""
            self.assertIn(reason, failure)
            self.assertIn("Run scripts/deploy again", failure)
