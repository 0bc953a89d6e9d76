"""Prints what became of every end-to-end test, emulator by emulator, from the output of `cargo test`.

    side_by_side.py [--only=NAME] NAME=OUTPUT [NAME=OUTPUT ...]

A test whose output begins a line with `skipped: ` was skipped. An emulator whose file isn't there couldn't run, or another
one only was asked for.
"""

import re
import sys

BINARY = re.compile(r"^\s+Running tests/(\w+)/main\.rs")
TEST = re.compile(r"^test (\S+) \.\.\. (\w+)")
OUTPUT_OF = re.compile(r"^---- (\S+) std(?:out|err) ----")


def outcomes(path: str) -> dict[str, str] | None:
    """Test by test: ok, failed, or why it was skipped; none if there is no such file."""
    found, reasons, binary, test = {}, {}, "", ""
    try:
        lines = open(path, errors="replace")
    except FileNotFoundError:
        return None
    for line in lines:
        if match := BINARY.match(line):
            binary = match[1]
        elif match := TEST.match(line):
            found[f"{binary}::{match[1]}"] = "failed" if match[2] == "FAILED" else match[2]
        elif match := OUTPUT_OF.match(line):
            test = f"{binary}::{match[1]}"
        elif line.startswith("skipped: "):
            reasons[test] = line.strip()
    return found | {test: reason for test, reason in reasons.items() if found.get(test) == "ok"}


def main(arguments: list[str]) -> None:
    only = [argument.removeprefix("--only=") for argument in arguments if argument.startswith("--only=")]
    arguments = [argument for argument in arguments if not argument.startswith("--only=")]
    emulators = {name: outcomes(path) for name, path in (argument.split("=", 1) for argument in arguments)}
    tests = sorted({test for outcome in emulators.values() for test in outcome or {}})
    width = max([len(test) for test in tests], default=8)
    print("  ".join(["scenario".ljust(width), *(name.ljust(9) for name in emulators)]).rstrip())
    for test in tests:
        cells, reasons = [], []
        for outcome in emulators.values():
            word, _, reason = (outcome or {}).get(test, "-").partition(": ")
            cells.append(word.ljust(9))
            reasons += [reason] if reason else []
        print("  ".join([test.ljust(width), *cells, *reasons]).rstrip())
    totals = []
    for name, outcome in emulators.items():
        if only and name.lower() not in only:
            totals.append(f"{name}: not asked for")
            continue
        words = [text.partition(":")[0] for text in (outcome or {}).values()]
        counts = ", ".join(f"{words.count(word)} {word}" for word in ("ok", "skipped", "failed") if word in words)
        totals.append(f"{name}: {counts}" if outcome is not None else f"{name}: couldn't run here")
    print("\n".join([*totals, "- wasn't chosen for that emulator"]))


main(sys.argv[1:])
