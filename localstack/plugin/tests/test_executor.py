"""The executor with functions that answer, fail, crash, hang and can't start. Run with LocalStack's own Python:

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

# Does what its invocation says, by the runtime API alone.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, sys, time, urllib.request
if os.environ.get("BROKEN"):
    sys.exit(3)
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
def post(path, body):
    urllib.request.urlopen(urllib.request.Request(api + path, json.dumps(body).encode(), method="POST")).read()
while True:
    with urllib.request.urlopen(api + "next") as work:
        id, event = work.headers["Lambda-Runtime-Aws-Request-Id"], json.load(work)
    print("did", event, flush=True)
    if event == "crash":
        os._exit(7)
    if event == "hang":
        time.sleep(60)
    if event == "fail":
        post(id + "/error", {{"errorType": "Oops", "errorMessage": "no"}})
    else:
        post(id + "/response", {{"pid": os.getpid(), "endpoint": os.environ["AWS_ENDPOINT_URL"]}})
"""


class Executor(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        config.dirs.logs = folder.name
        bootstrap = Path(folder.name, "bootstrap")
        bootstrap.write_text(BOOTSTRAP)
        bootstrap.chmod(bootstrap.stat().st_mode | stat.S_IXUSR)
        code = SimpleNamespace(get_unzipped_code_location=lambda: folder.name)
        self.version = SimpleNamespace(id=SimpleNamespace(function_name="f"), config=SimpleNamespace(code=code, timeout=2))
        self.executor = LocalExecutor("1", self.version)
        self.addCleanup(self.executor.stop)
        self.calls = 0

    def start(self, **environment):
        self.executor.start({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"} | environment)

    def invoke(self, event):
        self.calls += 1
        payload = {"invoke-id": str(self.calls), "invoked-function-arn": "arn", "trace-id": "t", "payload": json.dumps(event)}
        result = self.executor.invoke(payload)
        return json.loads(result.payload), result.is_error, result.logs

    def test_a_warm_process_answers_and_its_lines_are_those_of_the_call(self):
        self.start()
        (first, first_failed, _), (second, _, lines) = self.invoke("one"), self.invoke("two")
        self.assertFalse(first_failed)
        self.assertEqual(first["pid"], second["pid"])
        self.assertEqual(lines, "did two\n")

    def test_an_error_is_the_functions_own_and_the_process_goes_on(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        answer, failed, _ = self.invoke("fail")
        self.assertEqual((answer["errorType"], failed), ("Oops", True))
        self.assertEqual(self.invoke("two")[0]["pid"], before)

    def test_after_a_crash_another_process_answers(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        answer, failed, _ = self.invoke("crash")
        self.assertEqual((answer["errorMessage"], failed), ("Runtime exited with error: exit status 7", True))
        self.assertNotEqual(self.invoke("two")[0]["pid"], before)

    def test_after_a_timeout_another_process_answers(self):
        self.start()
        before = self.invoke("one")[0]["pid"]
        answer, failed, _ = self.invoke("hang")
        self.assertIn("Task timed out after 2.00 seconds", answer["errorMessage"])
        self.assertTrue(failed)
        self.assertNotEqual(self.invoke("two")[0]["pid"], before)

    def test_a_function_that_can_not_start_says_so(self):
        with self.assertRaises(StatusErrorException) as raised:
            self.start(BROKEN="1")
        self.assertIn(b"exit status 3", raised.exception.payload)

    def test_functions_find_the_proxy_where_there_is_one(self):
        os.environ["RIALTO_FUNCTIONS_ENDPOINT"] = "http://127.0.0.1:2"
        self.addCleanup(os.environ.pop, "RIALTO_FUNCTIONS_ENDPOINT")
        self.start()
        self.assertEqual(self.invoke("one")[0]["endpoint"], "http://127.0.0.1:2")
