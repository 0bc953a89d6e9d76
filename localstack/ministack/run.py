"""Runs MiniStack with what it lacks for this project."""

import copy
import socketserver
import sys

from ministack.app import main
from ministack.services import dynamodb

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

sys.exit(main())
