"""AWS calls that the scripts make to the emulator. Needs boto3: run it with .venv/sam's Python.

emulator.py create-bucket NAME        creates an S3 bucket unless it exists
emulator.py stack-output STACK KEY    prints an output of a CloudFormation stack
emulator.py verify-sender ADDRESS     marks an address as verified in SES, which on AWS its owner
                                      does by following a link in a mail
"""

import sys

import boto3


def create_bucket(name: str) -> None:
    s3 = boto3.client("s3")
    if name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        region = s3.meta.region_name
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})


def stack_output(stack: str, key: str) -> str:
    description = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    for output in description["Outputs"]:
        if output["OutputKey"] == key:
            return output["OutputValue"]
    sys.exit(f"error: stack {stack} has no output {key}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["create-bucket", name]:
            create_bucket(name)
        case ["stack-output", stack, key]:
            print(stack_output(stack, key))
        case ["verify-sender", address]:
            boto3.client("ses").verify_email_identity(EmailAddress=address)
        case _:
            sys.exit(__doc__)
