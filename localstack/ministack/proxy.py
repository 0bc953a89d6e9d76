"""Makes MiniStack hand functions' invocations to a URL, cargo lambda watch's, or run them itself again.

    proxy.py on PREFIX URL FUNCTION…     the function PREFIX<FUNCTION> at URL/FUNCTION/invocations
    proxy.py off PREFIX                  every function that is handed over
"""

import sys

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


def off(prefix: str) -> None:
    for function, variables in functions(prefix):
        if VARIABLE in variables:
            timeout = int(variables.pop(FORMER_TIMEOUT))
            variables.pop(VARIABLE)
            update(function, timeout, variables)


{"on": on, "off": off}[sys.argv[1]](*sys.argv[2:])
