"""Gives an emulator the gateway responses that stand in the template's API body.

AWS reads them there (x-amazon-apigateway-gateway-responses). The emulators take them one by one, and a deployment of the API
has those that were there when it was made. LocalStack heeds their statuses, MiniStack their bodies too.
"""

import sys

import boto3
import yaml


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (!Ref, !Sub, …) as what stands behind them."""


def short_form(loader, _tag, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_mapping(node)


Loader.add_multi_constructor("!", short_form)


def main(template: str, stack: str, stage: str) -> None:
    with open(template) as file:
        api = yaml.load(file, Loader)["Resources"]["Api"]
    responses = api["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    api_id = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "ApiId")
    gateway = boto3.client("apigateway")
    for kind, response in responses.items():
        gateway.put_gateway_response(
            restApiId=api_id,
            responseType=kind,
            statusCode=str(response["statusCode"]),
            responseParameters=response["responseParameters"],
            responseTemplates=response["responseTemplates"],
        )
    gateway.create_deployment(restApiId=api_id, stageName=stage)


main(*sys.argv[1:])
