"""Whether SAM resolves the template as the emulators do: every route of the access table leads to its function, whose code
is what scripts/build makes and whose environment names the emulator. What `sam local` would serve, without Docker. Run with
SAM's own Python (.venv/sam).

    sam_routes.py FOLDER shared/lambda/src/access.rs     FOLDER is what scripts/sam-local --prepare prints
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
    wanted = {(method, path): function for function, method, path in ROUTE.findall(open(access).read())}
    api = ApiProvider(stacks).api
    served = {
        (method, route.path): route.function_name for route in api.routes for method in route.methods if method != "OPTIONS"
    }
    found = []
    if not wanted:
        found.append(f"{access} has no routes")
    for (method, path), function in wanted.items():
        leads_to = served.get((method, path))
        if leads_to != f"{pascal_case(function)}Function":
            found.append(f"{method} {path} leads to {leads_to}, not to {function}")
    provider = SamFunctionProvider(stacks)
    functions = {function.name: function for function in provider.get_all()}
    runner = LocalLambdaRunner(None, provider, folder, folder, env_vars_values=environment)
    for name in set(wanted.values()):
        function = functions.get(f"{pascal_case(name)}Function")
        if function is None:
            found.append(f"{name} is no function")
        elif not str(function.codeuri).rstrip("/").endswith(f"target/lambda/{name}") or function.handler != "bootstrap":
            found.append(f"{name} has its code at {function.codeuri}")
        elif not environment["Parameters"].items() <= runner._make_env_vars(function).resolve().items():
            found.append(f"{name} isn't told of the emulator")
    if found:
        sys.exit("\n".join(found))
    print(f"SAM resolves {len(wanted)} routes and {len(functions)} functions")


main(*sys.argv[1:])
