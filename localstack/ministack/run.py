"""Runs MiniStack with what it lacks for this project."""

import asyncio
import copy
import os
import signal
import socketserver
import sys

import hypercorn.asyncio
from ministack.app import main
from ministack.services import dynamodb, lambda_svc

# A Ctrl-C meant for the script that started it isn't meant for it.
os.setsid()
# Only for localstack/stop, which knows the process by it.
del sys.argv[1:]

# Its Lambda runtime API is an http.server, which sends each header line as a packet of its own and lets Nagle's algorithm
# hold them back: 100 ms a call without this, 12 ms with it.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
socketserver.StreamRequestHandler.wbufsize = -1

# When it stops, it keeps how far each stream was read, but not the streams. After a restart it would skip as many new
# records as there were old ones, and lose those that weren't read yet.
save, load = dynamodb.get_state, dynamodb.load_persisted_state


def save_with_streams():
    return save() | {
        "stream_records": copy.deepcopy(dynamodb._stream_records),
        "stream_trimmed": copy.deepcopy(dynamodb._stream_trimmed),
    }


def load_with_streams(data):
    load(data)
    if data:
        dynamodb._stream_records.update(data.get("stream_records", {}))
        dynamodb._stream_trimmed.update(data.get("stream_trimmed", {}))


dynamodb.get_state, dynamodb.load_persisted_state = save_with_streams, load_with_streams

# Asked to end, it stops answering at once, but goes on invoking functions, which then fail at their first call: messages
# use up their tries, and its end waits for functions that wait for it. Now the event sources stop first, then it answers
# until the functions that run have ended.
DRAINED_AFTER = 12  # seconds at most; localstack/stop waits 45
ending = asyncio.Event()


def while_running(poll):
    return lambda: False if ending.is_set() else poll()


for source in ("_poll_sqs", "_poll_kinesis", "_poll_dynamodb_streams"):
    setattr(lambda_svc, source, while_running(getattr(lambda_svc, source)))


async def drained():
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    await ending.wait()
    for _ in range(DRAINED_AFTER * 10):
        # A batch that a source has already taken is invoked within the first of these.
        await asyncio.sleep(0.1)
        if lambda_svc.executions_in_flight()[0] == 0:
            return


serve = hypercorn.asyncio.serve
hypercorn.asyncio.serve = lambda app, config: serve(app, config, shutdown_trigger=drained)

sys.exit(main())
