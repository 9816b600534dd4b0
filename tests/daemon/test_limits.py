"""Projects share a host: limits hold runs back and say so, and no backlog is in another project's way."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from runsd_sdk import ProjectLimits, RateLimited, RunHandle, RunsClient, Unprocessable
from runsd_sdk.run import Phase, Status

from tests.conftest import Serve
from tests.daemon.command import runs
from tests.daemon.harness import ENDED_S, Daemon


@pytest.fixture(scope="module")
def daemon(serve: Serve) -> Iterator[Daemon]:
    """A daemon with room for two runs."""
    with serve(RUNSD_CAPACITY__CPU="1", RUNSD_CAPACITY__OVERCOMMIT="1") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Iterator[RunsClient]:
    """A client of another project than the default one."""
    daemon.client.projects.create("team")
    with RunsClient(f"unix://{daemon.socket}", project="team") as client:
        yield client


@pytest.fixture
def team(daemon: Daemon, client: RunsClient) -> Iterator[RunsClient]:
    """The other project, without limits."""
    yield client
    daemon.client.projects.set_limits("team", ProjectLimits())


def submit(client: RunsClient, daemon: Daemon, *command: str) -> RunHandle:
    return client.create(**daemon.spec(*command))


def test_a_limit_of_live_runs_holds_back_only_its_project_until_it_is_raised(
    daemon: Daemon, team: RunsClient
) -> None:
    daemon.client.projects.set_limits("team", ProjectLimits(runs=0))
    held = submit(team, daemon, "true")
    assert submit(daemon.client, daemon, "true").wait(ENDED_S).status is Status.SUCCEEDED
    assert held.refresh().phase is Phase.QUEUED
    assert team.why(held.id).summary == "its project may have 0 live runs at once, and has 0"
    daemon.client.projects.set_limits("team", ProjectLimits(runs=1))
    assert held.wait(ENDED_S).status is Status.SUCCEEDED


def test_what_a_project_may_hold_is_never_exceeded_and_larger_runs_are_refused(
    daemon: Daemon, team: RunsClient
) -> None:
    daemon.client.projects.set_limits("team", ProjectLimits(cpu="600m", memory="1Gi"))
    with pytest.raises(Unprocessable, match=r"its project may hold 0\.6 cores at once, not 1") as refused:
        team.create(**daemon.spec("true", resources={"requests": {"cpu": "1"}}))
    assert [error.loc for error in refused.value.problem.errors] == [["resources", "requests", "cpu"]]
    handles = [submit(team, daemon, "sleep", "0.3") for _ in range(3)]
    results = sorted((handle.wait(ENDED_S) for handle in handles), key=lambda run: str(run.started_at))
    for before, after in pairwise(results):
        assert before.finished_at is not None
        assert after.started_at is not None
        assert before.finished_at <= after.started_at


def test_a_full_queue_takes_no_more_and_a_repetition_is_answered_all_the_same(
    daemon: Daemon, team: RunsClient
) -> None:
    daemon.client.projects.set_limits("team", ProjectLimits(runs=0, queued=1))
    first = team.create(**daemon.spec("true"), idempotency_key="once")
    with pytest.raises(RateLimited, match="more queued runs than its project may have"):
        submit(team, daemon, "true")
    assert team.create(**daemon.spec("true"), idempotency_key="once").id == first.id
    first.cancel()


def test_a_spent_budget_starts_nothing_more_and_ends_nothing(daemon: Daemon, team: RunsClient) -> None:
    going = submit(team, daemon, "sleep", "1.2")
    next(event for event in team.events(going.id, follow=True) if event.type == "run.running")
    daemon.client.projects.set_limits("team", ProjectLimits(monthly_vcpu_seconds=0))
    held = submit(team, daemon, "true")
    assert going.wait(ENDED_S).status is Status.SUCCEEDED
    assert held.refresh().phase is Phase.QUEUED
    assert [run.id for run in team.queue().waiting] == [held.id]
    spent = team.info().spent
    assert spent is not None and spent.vcpu_seconds >= 0.5 and daemon.client.info().spent is None
    assert "of 0 vCPU-seconds that are its budget of" in team.why(held.id).summary
    daemon.client.projects.set_limits("team", ProjectLimits(monthly_usd="1"))
    assert held.wait(ENDED_S).status is Status.SUCCEEDED


def test_a_late_project_does_not_wait_for_anothers_backlog(daemon: Daemon, team: RunsClient) -> None:
    backlog = daemon.client.create_batch([daemon.spec("sleep", "0.5") for _ in range(12)])
    late = submit(team, daemon, "true").wait(ENDED_S)
    results = [handle.wait(60) for handle in backlog]
    assert late.started_at is not None
    later = [run for run in results if run.started_at is not None and run.started_at > late.started_at]
    assert len(later) >= 6


def test_runs_project_limit_says_and_lifts_limits(daemon: Daemon, team: RunsClient) -> None:
    said = ("--runs", "2", "--cpus", "1.5", "-m", "2g", "--monthly-usd", "9.99")
    assert runs(daemon, "project", "limit", "team", *said).returncode == 0
    shown = runs(daemon, "project", "show", "team").stdout
    for line in ("runs: 2", "cpu: 1.5", "memory: 2Gi", "monthly usd: 9.99"):
        assert line in shown
    assert runs(daemon, "project", "limit", "team").returncode == 0
    assert daemon.client.projects.get("team").limits == ProjectLimits()
    wrong = runs(daemon, "project", "limit", "team", "--cpus", "many")
    assert (wrong.returncode, "cpu" in wrong.stderr) == (2, True)
