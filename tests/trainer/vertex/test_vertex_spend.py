import math

import pytest

from nas.errors import UserError
from trainer.vertex.spend import Budget, Usage


def test_a_budget_says_what_is_used_up():
    budget = Budget(trials=3, machine_hours=10, money=15, price_per_machine_hour=2)
    assert budget.spent(Usage(2, 7.0)) == ""
    assert budget.cost(Usage(2, 7.0)) == 14.0
    assert budget.spent(Usage(2, 7.5)) == "15.00 of 15.00 are spent"
    assert budget.spent(Usage(2, 10.0)) == "10 machine hours of 10 are used"
    assert budget.next_trial(Usage(3, 1.0)) == "all 3 trials of the budget were begun"
    assert budget.next_trial(Usage(2, 8.0)) == "16.00 of 15.00 are spent"
    assert budget.spent(Usage(3, 1.0)) == ""  # what runs may end


def test_it_says_when_to_look_again():
    budget = Budget(machine_hours=10, money=15, price_per_machine_hour=2)
    assert budget.seconds_left(Usage(1, 7.0), machines=2) == 900  # half a machine hour of money
    assert budget.seconds_left(Usage(1, 20.0), machines=2) == 0
    assert budget.seconds_left(Usage(1, 7.0), machines=0) == math.inf
    assert Budget(trials=3).seconds_left(Usage(1, 7.0), machines=2) == math.inf
    assert Budget().spent(Usage(1, 7.0)) == Budget().next_trial(Usage(1, 7.0)) == ""
    assert Budget().cost(Usage(1, 7.0)) is None


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"machine_hours": -1}, {"money": math.nan, "price_per_machine_hour": 1}])
def test_limits_are_above_zero(wrong):
    with pytest.raises(UserError, match="expected more than 0"):
        Budget(**wrong)


def test_money_needs_a_price():
    with pytest.raises(UserError, match="money without a price"):
        Budget(money=5)
