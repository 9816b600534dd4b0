"""What the table and the lines of a map show."""

from runsd_sdk.run import Run

from runsd.cli.board import Board
from tests.unit.sdk.answers import ended, run


def board() -> Board:
    return Board("FOLD", {"a": "0", "b": "1"})


def over(run_id: str, **changes: object) -> Run:
    return Run.model_validate(ended(id=run_id, **changes))


def test_a_map_is_over_when_every_run_is() -> None:
    watched = board()
    watched.learn(over("a"))
    assert not watched.over
    assert watched.live == ["b"]
    watched.learn(over("b"))
    assert watched.over
    assert watched.all_succeeded


def test_one_failure_fails_the_map() -> None:
    watched = board()
    watched.learn(over("a"))
    watched.learn(over("b", status="failed", exitCode=1))
    assert watched.over
    assert not watched.all_succeeded


def test_only_a_change_of_state_is_news() -> None:
    watched = board()
    assert watched.learn(run(id="a"))
    assert not watched.learn(run(id="a", attempt=1))
    assert watched.learn(run(id="a", phase="stopping"))
    assert watched.learn(over("a"))


def test_lines() -> None:
    watched = board()
    watched.learn(run(id="a", phase="pulling", status="pending", startedAt=None))
    assert watched.line("a") == "FOLD=0  a  pulling"
    watched.learn(over("a", status="failed", exitCode=3))
    assert watched.line("a") == "FOLD=0  a  failed  exit 3  0.00s"


def test_the_last_line_is_what_a_terminal_would_show() -> None:
    watched = board()
    watched.heard("a", "10%\r50%\r\x1b[32m99%\x1b[0m\t!\n")
    assert watched.last_lines["a"] == "99% !"
    watched.heard("a", "\x1b[2Jx\x07" + "y" * 999)
    assert watched.last_lines["a"].startswith("xyyy")
    assert len(watched.last_lines["a"]) == 200


def test_the_summary_adds_money_exactly() -> None:
    watched = board()
    watched.learn(over("a", usage={"costUsd": "0.1", "vcpuSeconds": 1.5}))
    watched.learn(over("b", usage={"costUsd": "0.20000000001", "vcpuSeconds": 2}, status="failed"))
    said = watched.summary()
    assert said == "2 runs: 1 succeeded, 1 failed; 3.500 vCPU-seconds, $0.30000000001"
