"""Tests of what scripts/deploy says about an account's concurrency."""

import sys
import unittest
from pathlib import Path
from unittest.mock import patch

import botocore.exceptions

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

import concurrency  # noqa: E402
from concurrency import (  # noqa: E402
    Account,
    assess,
    read_defaults,
    read_functions,
    read_stack,
)

TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
FUNCTIONS = read_functions(TEMPLATE)
SMALL = Account(limit=10, unreserved=10, reserved_for_stage=0)
COMMON = Account(limit=1000, unreserved=1000, reserved_for_stage=0)


def errors(account: Account, **parameters: str) -> list[str]:
    return assess(account, FUNCTIONS, read_defaults(TEMPLATE) | parameters)[0]


def notes(account: Account, **parameters: str) -> str:
    return "\n".join(assess(account, FUNCTIONS, read_defaults(TEMPLATE) | parameters)[1])


class CloudFormation:
    """A client whose only stack has this response, or this error."""

    def __init__(self, stack: dict | None = None, error: str = ""):
        self.stack, self.error = stack, error

    def describe_stacks(self, StackName: str) -> dict:
        if self.error:
            response = {"Error": {"Code": "ValidationError", "Message": self.error}}
            raise botocore.exceptions.ClientError(response, "DescribeStacks")
        assert StackName == "rialto-test", StackName
        return {"Stacks": [self.stack]}


class ConcurrencyTest(unittest.TestCase):
    def test_the_template_has_consumers_and_relays(self):
        self.assertIn("orders-on-payments", FUNCTIONS.consumers)
        payments = ("payments-on-inventory", "payments-on-orders")
        self.assertEqual(FUNCTIONS.payments_consumers, payments)
        self.assertIn("orders-relay", FUNCTIONS.relays)
        self.assertEqual((len(FUNCTIONS.relays), FUNCTIONS.relay_concurrency), (6, 24))
        self.assertEqual(read_defaults(TEMPLATE)["ReserveConsumersConcurrency"], "no")

    def test_a_small_account_deploys_with_small_consumers(self):
        small = {"ConsumerConcurrency": "2", "ProviderConcurrency": "2"}
        self.assertEqual(errors(SMALL, **small), [])
        self.assertIn("take all of it", notes(SMALL, **small))
        self.assertIn("the relays up to 24", notes(SMALL, **small))

    def test_consumers_above_the_limit_are_refused(self):
        (error,) = errors(SMALL)
        self.assertIn("ConsumerConcurrency=20 is more than the account's concurrency of 10", error)

    def test_a_small_account_cannot_reserve(self):
        small = {"ConsumerConcurrency": "2", "ProviderConcurrency": "2"}
        self.assertIn("1 can't be reserved", errors(SMALL, **small, ReservedForAuthorizer="1")[0])

    def test_a_common_account_deploys_by_default(self):
        self.assertEqual(errors(COMMON), [])
        self.assertIn("nothing is reserved", notes(COMMON))

    def test_the_sum_of_reservations_is_limited(self):
        reserved = {"ReserveConsumersConcurrency": "yes", "ReservedForRelays": "10"}
        self.assertEqual(errors(COMMON, **reserved, ReservedForAuthorizer="200"), [])
        (error,) = errors(COMMON, **reserved, ReservedForAuthorizer="900")
        self.assertIn("can't be reserved", error)

    def test_an_update_counts_what_the_stage_reserved_before(self):
        others = Account(limit=1000, unreserved=150, reserved_for_stage=400)
        self.assertEqual(errors(others, ReservedForAuthorizer="450"), [])
        self.assertEqual(len(errors(others, ReservedForAuthorizer="451")), 1)

    def test_consumers_and_relays_are_compared_with_the_unreserved_part(self):
        # Consumers without a reservation use up to 230, relays 24.
        for unreserved, warned in ((254, True), (255, False)):
            others = Account(limit=1000, unreserved=unreserved, reserved_for_stage=0)
            self.assertEqual(errors(others), [])
            self.assertEqual("unreserved part is" in notes(others), warned, unreserved)
        reserved = {"ReserveConsumersConcurrency": "yes", "ReservedForRelays": "4"}
        self.assertNotIn("unreserved part is", notes(COMMON, **reserved))

    def test_a_value_that_is_no_number_is_refused(self):
        for value in ("many", "", "-1", "1.5"):
            error = f"ConsumerConcurrency={value} isn't a whole number"
            self.assertEqual(errors(COMMON, ConsumerConcurrency=value), [error])

    def test_an_update_keeps_the_parameters_that_are_not_given(self):
        parameters = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in (
                ("ConsumerConcurrency", "2"),
                ("ProviderConcurrency", "2"),
                ("ReservedForAuthorizer", "1"),
            )
        ]
        stack = CloudFormation({"StackStatus": "UPDATE_COMPLETE", "Parameters": parameters})
        template = str(ROOT / "template.yaml")
        with (
            patch.object(concurrency, "client", return_value=stack),
            patch.object(concurrency, "read_account", return_value=SMALL),
            patch("builtins.print"),
        ):
            with self.assertRaisesRegex(SystemExit, "^error: 1 can't be reserved"):
                concurrency.main(template, "test", "Stage=test")
            concurrency.main(template, "test", "Stage=test", "ReservedForAuthorizer=0")

    def test_a_stack_that_was_never_deployed_keeps_nothing(self):
        missing = CloudFormation(error="Stack with id rialto-test does not exist")
        self.assertEqual(read_stack(missing, "test"), {})
        reviewed = CloudFormation({"StackStatus": "REVIEW_IN_PROGRESS", "Parameters": [{}]})
        self.assertEqual(read_stack(reviewed, "test"), {})
        with self.assertRaises(botocore.exceptions.ClientError):
            read_stack(CloudFormation(error="Rate exceeded"), "test")


if __name__ == "__main__":
    unittest.main()
