"""A project's budget of a month: what is used is told against it, to the last bit."""

from decimal import Decimal

import pytest

from runsd import billing
from runsd.budget import Budget


def used(vcpu_seconds: float) -> billing.Month:
    return billing.month(int(vcpu_seconds * billing.NANO), free_vcpu_s=100, price_usd=Decimal("0.5"))


@pytest.mark.parametrize(
    ("budget", "vcpu_seconds", "said"),
    [
        (Budget(), 1e9, None),
        (Budget(nano_vcpu_s=60 * billing.NANO), 59.999999, None),
        (Budget(nano_vcpu_s=60 * billing.NANO), 60, "60.0 of 60 vCPU-seconds"),
        (Budget(nano_vcpu_s=0), 0, "0.0 of 0 vCPU-seconds"),
        (Budget(usd=Decimal(10)), 119.999999, None),
        (Budget(usd=Decimal(10)), 120, "$10.00 of $10.00"),
        (Budget(nano_vcpu_s=10**18, usd=Decimal(10)), 121, "$10.50 of $10.00"),
    ],
)
def test_a_budget_is_spent_when_it_is_used_up(budget: Budget, vcpu_seconds: float, said: str | None) -> None:
    told = budget.spent(used(vcpu_seconds), month="2026-11")
    expected = None if said is None else f"its project has used {said} that are its budget of 2026-11"
    assert told == expected


def test_only_what_is_said_is_a_budget() -> None:
    assert not Budget()
    assert Budget(nano_vcpu_s=0)
    assert Budget(usd=Decimal(0))
