"""Prints what each function costs: its size, its start and its work per call, beside functions with less in them.

    footprint.py FUNCTIONS BINARIES COMPARISON [FUNCTION…]

FUNCTIONS   what is deployed: a folder with a bootstrap for each function, for this machine or for arm64
BINARIES    a folder with the functions and the comparison functions, built for this machine
COMPARISON  the comparison functions as deployed: a folder with a bootstrap for each, built as FUNCTIONS is
FUNCTION    functions to measure; all by default

Sizes are those of the bootstraps. Instructions are counted by valgrind (callgrind), which counts the same for the
same binary whatever else the machine does; times are the best of several starts. The work per call is that of
invocations 11 to 110.
"""

import gzip
import re
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from stub import Stub

MIB = 1024 * 1024
# The targets of a function: bytes, instructions, and times hello-world's start.
UNZIPPED = 5.2 * MIB
ZIPPED = 2.3e6
START_INSTRUCTIONS = 2.0e6
START_RATIO = 1.3
# The target of a warm GET /products/{product_id}: instructions per call.
WARM_INSTRUCTIONS = 0.6e6

HELLO_WORLD = "hello-world"
COMPARISON_FUNCTIONS = {
    HELLO_WORLD: "an echo by lambda_runtime",
    "read-item": "GET /products/{product_id} by lambda_http and the SDK, with nothing else in it",
    "read-item-default-config": "the same, configured by aws-config's default chain",
}
READ_PRODUCT = "catalog-get-product"
EVENT = Path(__file__).parents[2] / "events/samples/catalog-get-product.json"

STARTS = 7
WARM_UP_CALLS = 10
MEASURED_CALLS = 100
TIMEOUT_SECONDS = 120

MACHINES = {0x3E: "x86-64", 0xB7: "arm64"}


@dataclass
class Size:
    unzipped: int
    zipped: int


@dataclass
class Start:
    instructions: int
    seconds: float


def environment(port: int) -> dict[str, str]:
    return {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "footprint",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "RIALTO_STAGE": "local",
        "OUTBOX_DEAD_LETTERS": "http://127.0.0.1/queue",
    }


def run_until_idle(command: list[str], stub: Stub, invocations: int) -> tuple[float, str]:
    """Runs a function until it polls in vain. Returns the seconds from spawn to then, and its standard error."""
    stub.reset(invocations)
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment(stub.port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    idle = stub.idle.wait(TIMEOUT_SECONDS)
    seconds = time.perf_counter() - started
    process.terminate()
    errors = process.communicate()[1]
    if not idle:
        raise SystemExit(f"{command[-1]} didn't poll within {TIMEOUT_SECONDS} s:\n{errors}")
    return seconds, errors


def count_instructions(binary: Path, stub: Stub, invocations: int) -> int:
    """Instructions from spawn until the invocations are answered and the next one is awaited."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", str(binary)]
        errors = run_until_idle(command, stub, invocations)[1]
    failures = [body for kind, body in stub.responses if kind == "error" or b'"statusCode":5' in body]
    if failures or len(stub.responses) != invocations:
        raise SystemExit(f"{binary} failed: {len(stub.responses)} responses, {failures[:1]}")
    return int(re.search(r"Collected : (\d+)", errors).group(1))


def measure_size(binary: Path) -> Size:
    data = binary.read_bytes()
    return Size(len(data), len(gzip.compress(data, compresslevel=9)))


def measure_start(binary: Path, stub: Stub) -> Start:
    seconds = min(run_until_idle([str(binary)], stub, 0)[0] for _ in range(STARTS))
    return Start(count_instructions(binary, stub, 0), seconds)


def measure_call(binary: Path, stub: Stub) -> float:
    """Instructions of a warm call."""
    warm_up = count_instructions(binary, stub, WARM_UP_CALLS)
    total = count_instructions(binary, stub, WARM_UP_CALLS + MEASURED_CALLS)
    return (total - warm_up) / MEASURED_CALLS


def machine(binary: Path) -> str:
    """The processor that an ELF file is for."""
    number = struct.unpack_from("<H", binary.read_bytes()[:20], 18)[0]
    return MACHINES.get(number, f"ELF machine {number:#x}")


def describe_build(functions: list[Path]) -> str:
    machines = {machine(function) for function in functions}
    if machines == {"arm64"}:
        return "the arm64 build that is deployed to AWS (scripts/build --arm64: link-time optimisation)"
    return (
        f"the {' and '.join(sorted(machines))} build for emulators, without link-time optimisation;"
        " scripts/build --arm64 makes the one that counts"
    )


def print_functions(functions: dict[str, Path], comparison: dict[str, Path], binaries: Path) -> None:
    print(f"Sizes: {describe_build(list(functions.values()))}.")
    print("Starts: the build for this machine, from spawn to the first poll.\n")
    print(f"{'function':34} {'MiB':>6} {'zip MB':>7} {'M instr.':>9} {'ms':>6} {'x hello':>8}")
    # The sizes of a build without link-time optimisation have no target.
    for_aws = all(machine(function) == "arm64" for function in functions.values())
    stub = Stub()
    hello = measure_start(binaries / HELLO_WORLD, stub)
    exceeding = 0
    for name, bootstrap in {**comparison, **functions}.items():
        size = measure_size(bootstrap)
        start = hello if name == HELLO_WORLD else measure_start(binaries / name, stub)
        ratio = start.seconds / hello.seconds
        exceeded = [
            label
            for label, figure, target in [
                ("unzipped size", size.unzipped if for_aws else 0, UNZIPPED),
                ("zipped size", size.zipped if for_aws else 0, ZIPPED),
                ("instructions", start.instructions, START_INSTRUCTIONS),
                ("start", ratio, START_RATIO),
            ]
            if figure > target and name in functions
        ]
        exceeding += bool(exceeded)
        print(
            f"{name:34} {size.unzipped / MIB:6.2f} {size.zipped / 1e6:7.2f} "
            f"{start.instructions / 1e6:9.2f} {start.seconds * 1e3:6.1f} {ratio:8.2f}"
            + (f"   exceeds: {', '.join(exceeded)}" if exceeded else ""),
            flush=True,
        )
    print(
        f"\ntargets: {UNZIPPED / MIB} MiB, {ZIPPED / 1e6} MB zipped, {START_INSTRUCTIONS / 1e6} M instructions, "
        f"{START_RATIO} x hello-world; {exceeding} of {len(functions)} functions exceed one of them\n"
    )


def print_calls(binaries: Path) -> None:
    stub = Stub(EVENT.read_bytes())
    print(f"{'warm GET /products/{product_id}':34} {'M instr.':>9}")
    for name in [*COMPARISON_FUNCTIONS, READ_PRODUCT]:
        instructions = measure_call(binaries / name, stub)
        exceeds = name == READ_PRODUCT and instructions > WARM_INSTRUCTIONS
        note = "exceeds the target" if exceeds else COMPARISON_FUNCTIONS.get(name, "")
        print(f"{name:34} {instructions / 1e6:9.3f}   {note}", flush=True)
    print(f"\ntarget: {WARM_INSTRUCTIONS / 1e6} M instructions\n")


def main() -> None:
    deployed, binaries, comparison = map(Path, sys.argv[1:4])
    wanted = sys.argv[4:]
    functions = {path.parent.name: path for path in sorted(deployed.glob("*/bootstrap"))}
    if unknown := [name for name in wanted if name not in functions]:
        raise SystemExit(f"not built: {', '.join(unknown)}")
    if wanted:
        functions = {name: functions[name] for name in wanted}
    print_functions(
        functions,
        {name: comparison / name / "bootstrap" for name in COMPARISON_FUNCTIONS},
        binaries,
    )
    print_calls(binaries)


main()
