"""Configures an emulator's API with the gateway responses in the template.

gateway_responses.py TEMPLATE STACK STAGE

AWS reads them from x-amazon-apigateway-gateway-responses in the API's body. The emulators ignore
that and need API calls, followed by a deployment, which takes the responses of its time. LocalStack
applies the statuses only, MiniStack the bodies too.
"""

import sys

import boto3
import yaml


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (!Ref, !Sub, ...) as their arguments."""


def construct_short_form(loader, _tag, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_mapping(node)


Loader.add_multi_constructor("!", construct_short_form)


def main(template: str, stack: str, stage: str) -> None:
    with open(template) as file:
        api = yaml.load(file, Loader)["Resources"]["Api"]
    responses = api["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    description = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
    gateway = boto3.client("apigateway")
    for response_type, response in responses.items():
        gateway.put_gateway_response(
            restApiId=outputs["ApiId"],
            responseType=response_type,
            statusCode=str(response["statusCode"]),
            responseParameters=response["responseParameters"],
            responseTemplates=response["responseTemplates"],
        )
    gateway.create_deployment(restApiId=outputs["ApiId"], stageName=stage)


main(*sys.argv[1:])
