"""Tests of what scripts/deploy says about an account's concurrency."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

from concurrency import Account, assess, read_defaults, read_functions  # noqa: E402

TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")
FUNCTIONS = read_functions(TEMPLATE)
SMALL = Account(limit=10, unreserved=10, reserved_for_stage=0)
COMMON = Account(limit=1000, unreserved=1000, reserved_for_stage=0)


def errors(account: Account, **parameters: str) -> list[str]:
    return assess(account, FUNCTIONS, read_defaults(TEMPLATE) | parameters)[0]


def notes(account: Account, **parameters: str) -> str:
    return "\n".join(assess(account, FUNCTIONS, read_defaults(TEMPLATE) | parameters)[1])


class ConcurrencyTest(unittest.TestCase):
    def test_the_template_has_consumers_and_relays(self):
        self.assertIn("orders-on-payments", FUNCTIONS.consumers)
        payments = ("payments-on-inventory", "payments-on-orders")
        self.assertEqual(FUNCTIONS.payments_consumers, payments)
        self.assertIn("orders-relay", FUNCTIONS.relays)
        self.assertEqual(read_defaults(TEMPLATE)["ReserveConsumersConcurrency"], "no")

    def test_a_small_account_deploys_with_small_consumers(self):
        small = {"ConsumerConcurrency": "2", "ProviderConcurrency": "2"}
        self.assertEqual(errors(SMALL, **small), [])
        self.assertIn("take all of it", notes(SMALL, **small))

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


if __name__ == "__main__":
    unittest.main()
