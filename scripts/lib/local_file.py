"""Reads and updates local.json, which describes a local deployment.

local_file.py get FILE FIELD            prints the field
local_file.py set FILE FIELD=VALUE...   sets the fields; others stay. Creates FILE, readable only
                                        by its owner, if it doesn't exist
"""

import json
import os
import sys


def get(path: str, field: str) -> None:
    with open(path) as file:
        print(json.load(file)[field])


def set_fields(path: str, *assignments: str) -> None:
    content = {}
    if os.path.exists(path):
        with open(path) as file:
            content = json.load(file)
    content.update(assignment.split("=", 1) for assignment in assignments)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["get", path, field]:
            get(path, field)
        case ["set", path, *assignments]:
            set_fields(path, *assignments)
        case _:
            sys.exit(__doc__)
