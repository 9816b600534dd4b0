"""How many sandboxes wait, by how many were asked for."""

from runsd.supervise.demand import Demand


def test_nobody_asked_and_none_is_wanted() -> None:
    assert Demand().wanted(1000.0, most=8) == 0


def test_as_many_as_were_asked_for_lately_and_never_more_than_allowed() -> None:
    demand = Demand()
    for second in range(5):
        demand.note(100.0 + second)
    assert demand.wanted(105.0, most=8) == 5
    assert demand.wanted(105.0, most=3) == 3


def test_one_stays_ready_for_ten_minutes_after_the_last_ask_and_then_none() -> None:
    demand = Demand()
    for _ in range(4):
        demand.note(100.0)
    assert demand.wanted(111.0, most=8) == 1
    assert demand.wanted(700.0, most=8) == 1
    assert demand.wanted(700.1, most=8) == 0
    demand.note(800.0)
    assert demand.wanted(800.0, most=8) == 1
