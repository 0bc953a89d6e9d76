"""Prints a template as CloudFormation gets it, after SAM's transform, as JSON.

transform.py TEMPLATE PARAMETER=VALUE...

Parameters that aren't given have their defaults. Conditions and references are left as they are.
Needs no network; run it with SAM's Python, .venv/sam/bin/python.
"""

import json
import os
import sys

# SAM reads the region from the environment; which one makes no difference here.
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """Stands in for the names of AWS's managed policies, which SAM would ask IAM for."""

    def load(self) -> dict[str, str]:
        return {}


def main(path: str, *assignments: str) -> None:
    with open(path) as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam deploy` uploads the folder and writes its address here.
            resource["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    parameters = dict(assignment.split("=", 1) for assignment in assignments)
    json.dump(transform(template, parameters, NoManagedPolicies()), sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
