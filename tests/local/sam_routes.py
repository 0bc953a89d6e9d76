"""Checks that SAM resolves the template as the emulators do: every route of the access table leads
to its function, whose code is what scripts/build writes and whose environment has the emulator's
endpoint. This is what `sam local` would serve, checked without Docker.

sam_routes.py FOLDER shared/lambda/src/access.rs

FOLDER is what scripts/sam-local --prepare prints. Run it with SAM's Python, .venv/sam/bin/python.
"""

import json
import os
import re
import sys

os.environ["SAM_CLI_TELEMETRY"] = "0"

from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

ROUTE = re.compile(r'route\(\s*"([^"]+)",\s*"([A-Z]+)",\s*"([^"]+)"')


def pascal_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def main(folder: str, access: str) -> None:
    stacks, _ = SamLocalStackProvider.get_stacks(f"{folder}/template.yaml")
    with open(f"{folder}/env.json") as file:
        environment = json.load(file)
    with open(access) as file:
        routes = {(method, path): function for function, method, path in ROUTE.findall(file.read())}
    resolved = {
        (method, route.path): route.function_name
        for route in ApiProvider(stacks).api.routes
        for method in route.methods
        if method != "OPTIONS"
    }
    errors = []
    if not routes:
        errors.append(f"{access} has no routes")
    for (method, path), function in routes.items():
        target = resolved.get((method, path))
        if target != f"{pascal_case(function)}Function":
            errors.append(f"{method} {path} leads to {target}, not to {function}")
    provider = SamFunctionProvider(stacks)
    functions = {function.name: function for function in provider.get_all()}
    runner = LocalLambdaRunner(None, provider, folder, folder, env_vars_values=environment)
    for name in set(routes.values()):
        function = functions.get(f"{pascal_case(name)}Function")
        if function is None:
            errors.append(f"there is no function {name}")
            continue
        code = str(function.codeuri).rstrip("/")
        if not code.endswith(f"target/lambda/{name}") or function.handler != "bootstrap":
            errors.append(f"the code of {name} is {function.handler} in {function.codeuri}")
        elif (
            not environment["Parameters"].items()
            <= runner._make_env_vars(function).resolve().items()
        ):
            errors.append(f"the environment of {name} lacks the emulator's endpoint")
    if errors:
        sys.exit("\n".join(errors))
    print(f"SAM resolves {len(routes)} routes and {len(functions)} functions")


main(*sys.argv[1:])
