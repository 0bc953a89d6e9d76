"""Tests of the executor with functions that respond, fail, crash, hang and can't start.

.venv/localstack/bin/python -m unittest discover localstack/plugin/tests
"""

import json
import os
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException

from rialto_localstack.executor import LocalExecutor

# A function that does what its event says.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, sys, time, urllib.request
if os.environ.get("BROKEN"):
    sys.exit(3)
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
def post(path, body):
    request = urllib.request.Request(api + path, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request).read()
while True:
    with urllib.request.urlopen(api + "next") as response:
        id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    print("processed", event, flush=True)
    if event == "crash":
        os._exit(7)
    if event == "hang":
        time.sleep(60)
    if event == "fail":
        post(id + "/error", {{"errorType": "Oops", "errorMessage": "no"}})
    else:
        post(id + "/response", {{"pid": os.getpid(), "endpoint": os.environ["AWS_ENDPOINT_URL"]}})
"""


class ExecutorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config.dirs.logs = folder.name
        bootstrap = Path(folder.name, "bootstrap")
        bootstrap.write_text(BOOTSTRAP)
        bootstrap.chmod(bootstrap.stat().st_mode | stat.S_IXUSR)
        code = SimpleNamespace(get_unzipped_code_location=lambda: folder.name)
        version = SimpleNamespace(
            id=SimpleNamespace(function_name="f"), config=SimpleNamespace(code=code, timeout=2)
        )
        self.executor = LocalExecutor("1", version)
        self.addCleanup(self.executor.stop)
        self.invocations = 0

    def start(self, **environment):
        self.executor.start({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"} | environment)

    def invoke(self, event):
        self.invocations += 1
        result = self.executor.invoke(
            {
                "invoke-id": str(self.invocations),
                "invoked-function-arn": "arn",
                "trace-id": "t",
                "payload": json.dumps(event),
            }
        )
        return json.loads(result.payload), result.is_error, result.logs

    def test_a_warm_process_is_reused_and_logs_are_those_of_the_call(self):
        self.start()
        first, first_failed, _ = self.invoke("one")
        second, _, logs = self.invoke("two")
        self.assertFalse(first_failed)
        self.assertEqual(first["pid"], second["pid"])
        self.assertEqual(logs, "processed two\n")

    def test_an_error_is_passed_on_and_the_process_continues(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        response, failed, _ = self.invoke("fail")
        self.assertEqual((response["errorType"], failed), ("Oops", True))
        self.assertEqual(self.invoke("two")[0]["pid"], before)

    def test_another_process_responds_after_a_crash(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        response, failed, _ = self.invoke("crash")
        self.assertTrue(failed)
        self.assertEqual(response["errorMessage"], "Runtime exited with error: exit status 7")
        self.assertNotEqual(self.invoke("two")[0]["pid"], before)

    def test_another_process_responds_after_a_timeout(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        response, failed, _ = self.invoke("hang")
        self.assertIn("Task timed out after 2.00 seconds", response["errorMessage"])
        self.assertTrue(failed)
        self.assertNotEqual(self.invoke("two")[0]["pid"], before)

    def test_a_function_that_cannot_start_raises_its_error(self):
        with self.assertRaises(StatusErrorException) as raised:
            self.start(BROKEN="1")
        self.assertIn(b"exit status 3", raised.exception.payload)

    def test_functions_use_the_proxy_if_it_is_set(self):
        os.environ["RIALTO_FUNCTIONS_ENDPOINT"] = "http://127.0.0.1:2"
        self.addCleanup(os.environ.pop, "RIALTO_FUNCTIONS_ENDPOINT")
        self.start()
        self.assertEqual(self.invoke("one")[0]["endpoint"], "http://127.0.0.1:2")
