"""Prints the result of every end-to-end test by emulator, from the output of `cargo test`.

side_by_side.py [--only=NAME] NAME=FILE [NAME=FILE ...]

A test whose output has a line that starts with `skipped: ` counts as skipped. A file is missing if
the emulator couldn't run, or if --only names another one.
"""

import re
import sys

BINARY = re.compile(r"^\s+Running tests/(\w+)/main\.rs")
RESULT = re.compile(r"^test (\S+) \.\.\. (\w+)")
OUTPUT_OF = re.compile(r"^---- (\S+) std(?:out|err) ----")


def read_results(path: str) -> dict[str, str] | None:
    """`ok`, `failed` or `skipped: REASON` by test, or None if the file doesn't exist."""
    results, skipped, binary, test = {}, {}, "", ""
    try:
        with open(path, errors="replace") as file:
            lines = file.readlines()
    except FileNotFoundError:
        return None
    for line in lines:
        if match := BINARY.match(line):
            binary = match[1]
        elif match := RESULT.match(line):
            results[f"{binary}::{match[1]}"] = "failed" if match[2] == "FAILED" else match[2]
        elif match := OUTPUT_OF.match(line):
            test = f"{binary}::{match[1]}"
        elif line.startswith("skipped: "):
            skipped[test] = line.strip()
    return results | {test: text for test, text in skipped.items() if results.get(test) == "ok"}


def print_table(emulators: dict[str, dict[str, str] | None]) -> None:
    tests = sorted({test for results in emulators.values() for test in results or {}})
    width = max([len(test) for test in tests], default=8)
    print("  ".join(["test".ljust(width), *(name.ljust(9) for name in emulators)]).rstrip())
    for test in tests:
        cells, reasons = [], []
        for results in emulators.values():
            word, _, reason = (results or {}).get(test, "-").partition(": ")
            cells.append(word.ljust(9))
            reasons += [reason] if reason else []
        print("  ".join([test.ljust(width), *cells, *reasons]).rstrip())


def summary(name: str, results: dict[str, str] | None, only: list[str]) -> str:
    if only and name.lower() not in only:
        return f"{name}: not selected"
    if results is None:
        return f"{name}: can't run here"
    words = [text.partition(":")[0] for text in results.values()]
    counts = (
        f"{words.count(word)} {word}" for word in ("ok", "skipped", "failed") if word in words
    )
    return f"{name}: {', '.join(counts)}"


def main(arguments: list[str]) -> None:
    option = "--only="
    only = [text.removeprefix(option) for text in arguments if text.startswith(option)]
    files = [text.split("=", 1) for text in arguments if not text.startswith(option)]
    emulators = {name: read_results(path) for name, path in files}
    print_table(emulators)
    for name, results in emulators.items():
        print(summary(name, results, only))
    print("-: not run on that emulator")


main(sys.argv[1:])
