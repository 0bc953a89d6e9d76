"""Runs MiniStack with patches for what this project needs."""

import asyncio
import contextlib
import copy
import os
import queue
import signal
import socket
import socketserver
import sys
import threading
import types

import hypercorn.asyncio
from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import dynamodb, lambda_svc
from ministack.services.cloudformation import provisioners

# A session of its own, so that Ctrl-C for the script that started MiniStack doesn't stop it.
os.setsid()
# The argument identifies the process for localstack/stop; MiniStack mustn't see it.
del sys.argv[1:]

# The Lambda runtime API is an http.server, which sends each header line as a packet of its own, and
# Nagle's algorithm delays them: an invocation takes 100 ms without this, 12 ms with it.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
socketserver.StreamRequestHandler.wbufsize = -1

# MiniStack's saved state has the read position in each DynamoDB stream, but not the records. After
# a restart it would skip as many new records as were read before, and lose unread ones.
get_state, load_persisted_state = dynamodb.get_state, dynamodb.load_persisted_state


def get_state_with_streams():
    return get_state() | {
        "stream_records": copy.deepcopy(dynamodb._stream_records),
        "stream_trimmed": copy.deepcopy(dynamodb._stream_trimmed),
    }


def load_state_with_streams(data):
    load_persisted_state(data)
    if data:
        dynamodb._stream_records.update(data.get("stream_records", {}))
        dynamodb._stream_trimmed.update(data.get("stream_trimmed", {}))


dynamodb.get_state = get_state_with_streams
dynamodb.load_persisted_state = load_state_with_streams

# A template writes a method's path as /~1auth~1login; MiniStack compares it with /auth/login.
method_settings = provisioners._apigw_method_settings


def decoded_method_settings(settings):
    return {
        path.replace("/~1", "/", 1).replace("~1", "/"): setting
        for path, setting in method_settings(settings).items()
    }


provisioners._apigw_method_settings = decoded_method_settings

# Like AWS, MiniStack starts an execution environment for each concurrent invocation. Here they are
# processes on the same two or so processors: hundreds that start at once make every call time out.
# Invocations wait for one of a few environments of their function instead, and start another one
# only if none becomes free.
MAX_ENVIRONMENTS = 4  # per function
ENVIRONMENT_TIMEOUT = 10  # seconds
environments = {}
execute_function = lambda_svc._execute_function_provided_warm


def execute_in_free_environment(func, event, request_id):
    config = func.get("config") or func
    name = config.get("FunctionName")
    available = environments.setdefault(name, threading.Semaphore(MAX_ENVIRONMENTS))
    acquired = available.acquire(timeout=ENVIRONMENT_TIMEOUT)
    try:
        return execute_function(func, event, request_id)
    finally:
        if acquired:
            available.release()


lambda_svc._execute_function_provided_warm = execute_in_free_environment

# Each idle environment has a thread that waits for the next invocation and one that waits for
# connections. Both end their wait ten times a second to see whether they should stop, so a few
# hundred environments take a whole processor. They are woken to stop instead.
IDLE_POLL_INTERVAL = 5  # seconds


class InvocationQueue(queue.Queue):
    def get(self, block=True, timeout=None):
        return super().get(block, timeout and max(timeout, IDLE_POLL_INTERVAL))


lambda_runtime.queue = types.SimpleNamespace(
    Queue=InvocationQueue, Empty=queue.Empty, Full=queue.Full
)
serve_forever = socketserver.BaseServer.serve_forever


def serve_until_woken(self, poll_interval=None):
    serve_forever(self, IDLE_POLL_INTERVAL)


def shutdown(self):
    self._BaseServer__shutdown_request = True
    with contextlib.suppress(OSError):
        socket.create_connection(self.server_address[:2], timeout=1).close()
    self._BaseServer__is_shut_down.wait()


socketserver.BaseServer.serve_forever = serve_until_woken
socketserver.BaseServer.shutdown = shutdown

# On SIGTERM, MiniStack stops serving requests at once but goes on invoking functions. These fail at
# their first AWS call, so messages use up their receive count, and MiniStack waits for functions
# that wait for it. Instead, stop the event sources first, and serve until running functions end.
DRAIN_TIMEOUT = 12  # seconds; localstack/stop waits 45
POLL_INTERVAL = 0.1  # seconds
stopping = asyncio.Event()


def poll_unless_stopping(poll):
    return lambda: False if stopping.is_set() else poll()


for name in ("_poll_sqs", "_poll_kinesis", "_poll_dynamodb_streams"):
    setattr(lambda_svc, name, poll_unless_stopping(getattr(lambda_svc, name)))


# CloudFormation's parameters are strings, and MiniStack compares a maximum concurrency from one
# with the number of running batches as it is, which ends the pass over all queues.
sqs_esm_concurrency = lambda_svc._sqs_esm_concurrency
lambda_svc._sqs_esm_concurrency = lambda *arguments: int(sqs_esm_concurrency(*arguments))


async def wait_for_shutdown():
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()
    for _ in range(int(DRAIN_TIMEOUT / POLL_INTERVAL)):
        # A batch that an event source has already read is invoked within the first interval.
        await asyncio.sleep(POLL_INTERVAL)
        if lambda_svc.executions_in_flight()[0] == 0:
            return


serve = hypercorn.asyncio.serve
hypercorn.asyncio.serve = lambda app, config: serve(app, config, shutdown_trigger=wait_for_shutdown)

sys.exit(main())
