"""Whether a function's answer, on standard input, says that it read what it was handed. A consumer may well want a message again:
the order in a sample isn't there."""

import json
import sys

answer = json.load(sys.stdin)
if isinstance(answer, dict):
    if "errorType" in answer or answer.get("statusCode", 200) >= 500:
        sys.exit(1)
