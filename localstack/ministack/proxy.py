"""Makes MiniStack hand functions' invocations to a URL, cargo lambda watch's, or run them itself again.

    proxy.py on PREFIX URL FUNCTION…     the function PREFIX<FUNCTION> at URL/FUNCTION/invocations
    proxy.py off PREFIX                  every function that is handed over
    proxy.py clear PREFIX                every function that is handed over to where nothing listens
"""

import socket
import sys
from urllib.parse import urlsplit

import boto3

VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"
FORMER_TIMEOUT = "RIALTO_FORMER_TIMEOUT"
# Seconds, as long as a gateway waits. A call that comes while the function is compiled waits too.
PATIENCE = 29

client = boto3.client("lambda")


def functions(prefix: str):
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(prefix):
                yield function, function.get("Environment", {}).get("Variables", {})


def update(function: dict, timeout: int, variables: dict[str, str]) -> None:
    client.update_function_configuration(
        FunctionName=function["FunctionName"], Timeout=timeout, Environment={"Variables": variables}
    )


def on(prefix: str, url: str, *names: str) -> None:
    found = {function["FunctionName"]: (function, variables) for function, variables in functions(prefix)}
    for name in names:
        if prefix + name not in found:
            sys.exit(f"there is no function {name}")
        function, variables = found[prefix + name]
        timeout = variables.get(FORMER_TIMEOUT, str(function["Timeout"]))
        update(function, PATIENCE, variables | {VARIABLE: f"{url}/{name}/invocations", FORMER_TIMEOUT: timeout})


def answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=2).close()
    except OSError:
        return False
    return True


def off(prefix: str, keep=lambda url: False) -> None:
    for function, variables in functions(prefix):
        if VARIABLE in variables and not keep(variables[VARIABLE]):
            timeout = int(variables.pop(FORMER_TIMEOUT))
            variables.pop(VARIABLE)
            update(function, timeout, variables)


def clear(prefix: str) -> None:
    off(prefix, keep=answers)


{"on": on, "off": off, "clear": clear}[sys.argv[1]](*sys.argv[2:])
