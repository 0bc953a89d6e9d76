"""Checks that an account's Lambda concurrency suits a deployment. Needs boto3: run it with
.venv/sam's Python.

concurrency.py TEMPLATE STAGE [NAME=VALUE…]

Prints what the account's concurrency means for the stage. Exits with status 1 if the parameters
can't work in this account.
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
    )


def read_defaults(template: str) -> dict[str, str]:
    """The defaults of the template's parameters."""
    parameters = template.split("\nParameters:\n", 1)[1].split("\nConditions:\n", 1)[0]
    pairs = re.findall(r"^  (\w+):\n(?:    .*\n)*?    Default: (.*)\n", parameters, re.MULTILINE)
    return {name: value.strip('"') for name, value in pairs}


def assess(
    account: Account, functions: Functions, parameters: dict[str, str]
) -> tuple[list[str], list[str]]:
    """What can't work in this account, and what else its concurrency means."""
    each, payments = int(parameters["ConsumerConcurrency"]), int(parameters["ProviderConcurrency"])
    authorizer = int(parameters["ReservedForAuthorizer"])
    relays = int(parameters["ReservedForRelays"])
    consumers = each * len(functions.consumers) + payments * len(functions.payments_consumers)
    reserved = authorizer + relays * len(functions.relays)
    if parameters["ReserveConsumersConcurrency"] == "yes":
        reserved += consumers
    errors, notes = [], []
    notes.append(
        f"the account runs {account.limit} functions at once in this region; the queues' consumers "
        f"use up to {consumers} of them, and {reserved} are reserved for this stage"
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
    if consumers >= account.limit:
        notes.append(
            "busy queues can take all of it, and requests are then throttled (429): ask AWS for a "
            "higher quota of concurrent executions before real use"
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


def read_account(functions: Functions, stage: str) -> Account:
    # Without AWS_REGION, boto3 looks for a region elsewhere.
    client = boto3.client("lambda", region_name=os.environ.get("AWS_REGION"))
    limits = client.get_account_settings()["AccountLimit"]
    reserved = 0
    for name in functions.reservable:
        try:
            concurrency = client.get_function_concurrency(FunctionName=f"rialto-{stage}-{name}")
            reserved += concurrency.get("ReservedConcurrentExecutions", 0)
        except client.exceptions.ResourceNotFoundException:
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
    parameters = read_defaults(template) | given
    try:
        account = read_account(functions, stage)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(
            f"error: the account's concurrency can't be read: {error}; check the credentials and "
            "AWS_REGION, and that lambda:GetAccountSettings and lambda:GetFunctionConcurrency are "
            "allowed"
        )
    errors, notes = assess(account, functions, parameters)
    for note in notes:
        print(f"concurrency: {note}")
    if errors:
        sys.exit("\n".join(f"error: {error}" for error in errors))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
