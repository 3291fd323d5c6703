"""How much a job may use: trials, machine hours and money; and how much it has used.

    budget = Budget(trials=200, machine_hours=50, money=120, price_per_machine_hour=2.1)
    used = Usage(trials=31, machine_hours=52.0)
    budget.spent(used)              # "" or why nothing more may run: "52 machine hours of 50 are used"
    budget.next_trial(used)         # "" or why no further trial may begin

A machine hour is one machine for an hour, whether its trial succeeds or not: four trials of half an hour on two machines each
are four machine hours. Prices are the user's to give, since they differ by region, machine and contract; no currency is
assumed.
"""

from __future__ import annotations

import dataclasses
import math

from nas.errors import UserError


@dataclasses.dataclass(frozen=True)
class Usage:
    """What was used: trials begun, and hours of their machines."""

    trials: int = 0
    machine_hours: float = 0.0


@dataclasses.dataclass(frozen=True)
class Budget:
    """Limits; None: there is none.

    Args:
        trials: trials in all, of both stages.
        machine_hours: hours of all machines together.
        money: in the currency of the price.
        price_per_machine_hour: needed for `money`.

    Raises:
        UserError: a limit that is not above 0, or money without a price.
    """

    trials: int | None = None
    machine_hours: float | None = None
    money: float | None = None
    price_per_machine_hour: float | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
            if value is not None and not number:
                raise UserError(f"{value!r} does not fit", path=f"budget.{name}", received=value, expected="more than 0")
        if self.money is not None and self.price_per_machine_hour is None:
            hint = "Give the price of a machine hour: the machine's and its accelerators' together"
            raise UserError("money without a price", path="budget.money", received=self.money, hint=hint)

    def cost(self, used: Usage) -> float | None:
        """What was spent; None where no price was given."""
        return None if self.price_per_machine_hour is None else used.machine_hours * self.price_per_machine_hour

    def spent(self, used: Usage) -> str:
        """Why everything must stop; "": it need not."""
        if self.machine_hours is not None and used.machine_hours >= self.machine_hours:
            return f"{used.machine_hours:.3g} machine hours of {self.machine_hours:.3g} are used"
        cost = self.cost(used)
        if self.money is not None and cost is not None and cost >= self.money:
            return f"{cost:.2f} of {self.money:.2f} are spent"
        return ""

    def next_trial(self, used: Usage) -> str:
        """Why no further trial may begin; "": one may."""
        if self.trials is not None and used.trials >= self.trials:
            return f"all {self.trials} trials of the budget were begun"
        return self.spent(used)

    def seconds_left(self, used: Usage, machines: int) -> float:
        """How long that many machines may run on; infinite where nothing limits them."""
        limits = [] if self.machine_hours is None else [self.machine_hours]
        if self.money is not None and self.price_per_machine_hour is not None:
            limits.append(self.money / self.price_per_machine_hour)
        if not limits or not machines:
            return math.inf
        return max(0.0, (min(limits) - used.machine_hours) * 3600 / machines)
