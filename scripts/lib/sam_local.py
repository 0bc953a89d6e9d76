"""Writes the template and the environment file for `sam local`.

sam_local.py ROOT FOLDER ENDPOINT STAGE AUTH_MODE

SAM passes a function only variables that the template declares, so this template declares
AWS_ENDPOINT_URL, which a deployment to AWS must not have.
"""

import json
import sys

STAGE_VARIABLE = "        RIALTO_STAGE: !Ref Stage\n"


def main(root: str, folder: str, endpoint: str, stage: str, auth_mode: str) -> None:
    with open(f"{root}/template.yaml") as file:
        template = file.read()
    if template.count(STAGE_VARIABLE) != 1:
        sys.exit("error: the Globals of template.yaml don't declare RIALTO_STAGE exactly once")
    template = template.replace(STAGE_VARIABLE, STAGE_VARIABLE + '        AWS_ENDPOINT_URL: ""\n')
    template = template.replace("CodeUri: target/", f"CodeUri: {root}/target/")
    with open(f"{folder}/template.yaml", "w") as file:
        file.write(template)
    variables = {"AWS_ENDPOINT_URL": endpoint, "RIALTO_STAGE": stage, "AUTH_MODE": auth_mode}
    with open(f"{folder}/env.json", "w") as file:
        json.dump({"Parameters": variables}, file, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
