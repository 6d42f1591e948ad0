from datetime import timedelta

from receiver.calls import Budget


def test_a_budget_lets_so_many_go_at_once_and_the_rest_in_turn() -> None:
    budget = Budget(3, timedelta(seconds=2))
    assert [budget.delay(100.0) for _ in range(8)] == [0, 0, 0, 2, 2, 2, 4, 4]


def test_a_budget_is_whole_again_when_its_period_is_over() -> None:
    budget = Budget(2, timedelta(seconds=2))
    assert [budget.delay(now) for now in (0.0, 1.0, 1.5, 3.5, 9.0)] == [0, 0, 0.5, 0, 0]
