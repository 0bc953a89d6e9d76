"""Checks that an account's Lambda concurrency suits a deployment. Needs boto3: run it with
.venv/sam's Python.

concurrency.py TEMPLATE STAGE [NAME=VALUE…]

Prints what the account's concurrency means for the stage. Exits with status 1 if the parameters
can't work in this account. A parameter that isn't given has the value of the stage's stack, as
`sam deploy` keeps it, or the template's default.
"""

import os
import re
import sys
from dataclasses import dataclass

import boto3
import botocore.exceptions

# Lambda doesn't let the unreserved concurrency of an account fall below this.
LEAST_UNRESERVED = 100
# New accounts have 10, until they ask for more.
COMMON_LIMIT = 1000


@dataclass(frozen=True)
class Functions:
    """The functions of a template by what their concurrency depends on."""

    consumers: tuple[str, ...]
    payments_consumers: tuple[str, ...]
    relays: tuple[str, ...]
    # Of all streams, if each has one shard.
    relay_concurrency: int

    @property
    def reservable(self) -> tuple[str, ...]:
        return (*self.consumers, *self.payments_consumers, *self.relays, "accounts-authorizer")


@dataclass(frozen=True)
class Account:
    """An account's concurrency in a region, and the part reserved for the stage's own functions."""

    limit: int
    unreserved: int
    reserved_for_stage: int

    @property
    def reservable(self) -> int:
        """What the stage may reserve in total."""
        return max(self.unreserved + self.reserved_for_stage - LEAST_UNRESERVED, 0)


def read_functions(template: str) -> Functions:
    names = re.findall(r"FunctionName: !Sub rialto-\$\{Stage\}-([a-z-]+)", template)
    consumers = [name for name in names if re.search(r"^[a-z]+-on-[a-z]+$", name)]
    return Functions(
        consumers=tuple(name for name in consumers if not name.startswith("payments-")),
        payments_consumers=tuple(name for name in consumers if name.startswith("payments-")),
        relays=tuple(name for name in names if name.endswith("-relay")),
        relay_concurrency=sum(map(int, re.findall(r"ParallelizationFactor: (\d+)", template))),
    )


def read_defaults(template: str) -> dict[str, str]:
    """The defaults of the template's parameters."""
    parameters = template.split("\nParameters:\n", 1)[1].split("\nConditions:\n", 1)[0]
    pairs = re.findall(r"^  (\w+):\n(?:    .*\n)*?    Default: (.*)\n", parameters, re.MULTILINE)
    return {name: value.strip('"') for name, value in pairs}


def read_numbers(parameters: dict[str, str], *names: str) -> list[int]:
    for name in names:
        if not re.fullmatch("[0-9]+", parameters[name]):
            raise ValueError(f"{name}={parameters[name]} isn't a whole number")
    return [int(parameters[name]) for name in names]


def assess(
    account: Account, functions: Functions, parameters: dict[str, str]
) -> tuple[list[str], list[str]]:
    """What can't work in this account, and what else its concurrency means."""
    try:
        each, payments, authorizer, relay = read_numbers(
            parameters,
            "ConsumerConcurrency",
            "ProviderConcurrency",
            "ReservedForAuthorizer",
            "ReservedForRelays",
        )
    except ValueError as error:
        return [str(error)], []
    consumers = each * len(functions.consumers) + payments * len(functions.payments_consumers)
    relays = functions.relay_concurrency
    reserved = authorizer + relay * len(functions.relays)
    consumers_reserved = parameters["ReserveConsumersConcurrency"] == "yes"
    if consumers_reserved:
        reserved += consumers
    without = (0 if consumers_reserved else consumers) + (0 if relay > 0 else relays)
    shared = account.unreserved + account.reserved_for_stage - reserved
    errors, notes = [], []
    notes.append(
        f"the account runs {account.limit} functions at once in this region; the queues' consumers "
        f"use up to {consumers} of them, the relays up to {relays} if each stream has one shard, "
        f"and {reserved} are reserved for this stage"
    )
    for name, value in (("ConsumerConcurrency", each), ("ProviderConcurrency", payments)):
        if value > account.limit:
            errors.append(
                f"{name}={value} is more than the account's concurrency of {account.limit}: "
                "messages would use up their receives while Lambda throttles their consumers; "
                f"deploy with {name}=2"
            )
    if reserved > account.reservable:
        errors.append(
            f"{reserved} can't be reserved: this account has {account.reservable} to reserve, as "
            f"Lambda keeps {LEAST_UNRESERVED} for functions without a reservation; reserve less, "
            "or ask AWS for a higher quota of concurrent executions"
        )
    if without >= shared and not errors:
        notes.append(
            f"warning: consumers and relays without a reservation use up to {without}, and the "
            f"account's unreserved part is {shared}: under load they can take all of it, and "
            "requests and queues are then throttled; reserve, deploy with a lower "
            "ConsumerConcurrency, or ask AWS for a higher quota of concurrent executions"
        )
    elif account.limit < COMMON_LIMIT:
        notes.append(f"most accounts have {COMMON_LIMIT}: ask AWS for more before real use")
    if reserved == 0 and account.reservable > consumers:
        notes.append(
            "nothing is reserved, so a load on the API can take all of it and delay orders: see "
            "docs/deploying.md for ReserveConsumersConcurrency, ReservedForAuthorizer and "
            "ReservedForRelays"
        )
    return errors, notes


def client(service: str):
    # Without AWS_REGION, boto3 looks for a region elsewhere.
    return boto3.client(service, region_name=os.environ.get("AWS_REGION"))


def read_stack(cloudformation, stage: str) -> dict[str, str]:
    """The parameters of the stage's stack; none if there is no stack that an update would keep."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=f"rialto-{stage}")["Stacks"]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return {}
        raise
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return {}
    pairs = stack.get("Parameters", [])
    return {pair["ParameterKey"]: pair["ParameterValue"] for pair in pairs}


def read_account(functions: Functions, stage: str) -> Account:
    lambda_ = client("lambda")
    limits = lambda_.get_account_settings()["AccountLimit"]
    reserved = 0
    for name in functions.reservable:
        try:
            concurrency = lambda_.get_function_concurrency(FunctionName=f"rialto-{stage}-{name}")
            reserved += concurrency.get("ReservedConcurrentExecutions", 0)
        except lambda_.exceptions.ResourceNotFoundException:
            pass
    return Account(
        limit=limits["ConcurrentExecutions"],
        unreserved=limits["UnreservedConcurrentExecutions"],
        reserved_for_stage=reserved,
    )


def main(path: str, stage: str, *overrides: str) -> None:
    with open(path, encoding="utf-8") as file:
        template = file.read()
    functions = read_functions(template)
    given = dict(override.split("=", 1) for override in overrides)
    try:
        stack = read_stack(client("cloudformation"), stage)
        account = read_account(functions, stage)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(
            f"error: the account's concurrency can't be read: {error}; check the credentials and "
            "AWS_REGION, and that lambda:GetAccountSettings, lambda:GetFunctionConcurrency and "
            "cloudformation:DescribeStacks are allowed"
        )
    parameters = read_defaults(template) | stack | given
    errors, notes = assess(account, functions, parameters)
    for note in notes:
        print(f"concurrency: {note}")
    if errors:
        sys.exit("\n".join(f"error: {error}" for error in errors))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
