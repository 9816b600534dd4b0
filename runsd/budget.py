"""What a project may use in a calendar month, and in words what forbids more. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from runsd import billing


@dataclass(frozen=True, slots=True)
class Budget:
    """The most of a month: nano-vCPU-seconds, and US dollars of the bill; None where nothing is said."""

    nano_vcpu_s: int | None = None
    usd: Decimal | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.nano_vcpu_s is not None or self.usd is not None

    def spent(self, used: billing.Month, *, month: str) -> str | None:
        """Say in words that a month's budget is used up, if it is."""
        if self.nano_vcpu_s is not None and used.nano_vcpu_s >= self.nano_vcpu_s:
            has, most = (billing.vcpu_seconds(nano) for nano in (used.nano_vcpu_s, self.nano_vcpu_s))
            return (
                f"its project has used {has:,.1f} of {most:,.0f} vCPU-seconds that are its budget of {month}"
            )
        if self.usd is not None and used.cost_usd >= self.usd:
            said = f"${used.cost_usd:,.2f} of ${self.usd:,.2f}"
            return f"its project has used {said} that are its budget of {month}"
        return None
