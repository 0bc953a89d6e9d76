"""Makes MiniStack forward invocations of functions to a URL, or run the functions itself again.

proxy.py on PREFIX URL FUNCTION...   forwards PREFIX<FUNCTION> to URL/FUNCTION/invocations
proxy.py off PREFIX                  stops forwarding
proxy.py clear PREFIX                stops forwarding to URLs at which nothing listens

PREFIX is what the names of the stage's functions begin with.
"""

import socket
import sys
from urllib.parse import urlsplit

import boto3

URL_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"
TIMEOUT_VARIABLE = "RIALTO_FORMER_TIMEOUT"
# Seconds; API Gateway's limit. An invocation waits while cargo lambda watch builds the function.
FORWARD_TIMEOUT = 29

client = boto3.client("lambda")


def find_functions(prefix: str):
    """Yields the configuration and the environment variables of each function."""
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(prefix):
                yield function, function.get("Environment", {}).get("Variables", {})


def update(function: dict, timeout: int, variables: dict[str, str]) -> None:
    client.update_function_configuration(
        FunctionName=function["FunctionName"],
        Timeout=timeout,
        Environment={"Variables": variables},
    )


def on(prefix: str, url: str, *names: str) -> None:
    functions = {
        function["FunctionName"]: (function, variables)
        for function, variables in find_functions(prefix)
    }
    for name in names:
        if prefix + name not in functions:
            sys.exit(f"error: there is no function {name}")
        function, variables = functions[prefix + name]
        timeout = variables.get(TIMEOUT_VARIABLE, str(function["Timeout"]))
        variables |= {URL_VARIABLE: f"{url}/{name}/invocations", TIMEOUT_VARIABLE: timeout}
        update(function, FORWARD_TIMEOUT, variables)


def accepts_connections(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=2).close()
    except OSError:
        return False
    return True


def off(prefix: str, is_kept=lambda url: False) -> None:
    for function, variables in find_functions(prefix):
        if URL_VARIABLE in variables and not is_kept(variables[URL_VARIABLE]):
            timeout = int(variables.pop(TIMEOUT_VARIABLE))
            variables.pop(URL_VARIABLE)
            update(function, timeout, variables)


def clear(prefix: str) -> None:
    off(prefix, is_kept=accepts_connections)


{"on": on, "off": off, "clear": clear}[sys.argv[1]](*sys.argv[2:])
