"""The daemon is killed before and after everything that leaves a trace; nothing is lost or done twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runsd.faults import Step
from tests.daemon.harness import Daemon
from tests.engine import registry
from tests.faults.conftest import ServeProxied
from tests.faults.errands import ELSEWHERE, ERRANDS, Owner, owning, prepare
from tests.faults.invariants import Truth, findings
from tests.faults.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
POINTS = [f"{when}:{step}" for step in ERRANDS for when in ("before", "after")]


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, serve_proxied: ServeProxied
) -> Iterator[tuple[Daemon, Proxy, Owner]]:
    """A daemon that dies at every point in turn, and an owner who does not let that trouble him."""
    with (
        registry.serve(tmp_path_factory.mktemp("registry")) as shop,
        serve_proxied() as (daemon, proxy),
        owning(daemon, shop) as owner,
    ):
        daemon.kill9()
        yield daemon, proxy, owner
        daemon.ensure_up()


def test_every_step_has_an_errand_or_a_test_of_its_own() -> None:
    assert ERRANDS.keys() | ELSEWHERE.keys() == set(Step)
    for step, file in ELSEWHERE.items():
        text = (ROOT / file).read_text()
        assert step.value in text or f"Step.{step.name}" in text, f"{file} does not kill at {step}"


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(stage: tuple[Daemon, Proxy, Owner], point: str) -> None:
    daemon, _, owner = stage
    daemon.ensure_down()
    step = Step(point.partition(":")[2])
    prepare(daemon, step)
    daemon.start_doomed(point)
    owner.begin(ERRANDS[step])
    daemon.await_death()


@pytest.mark.needs("docker-registry")
@pytest.mark.timeout(300)
def test_after_all_these_deaths_every_run_has_its_one_true_end(stage: tuple[Daemon, Proxy, Owner]) -> None:
    daemon, proxy, owner = stage
    daemon.start()
    owner.finish()
    proxy.sweep(f"io.runsd.instance={daemon.instance}")
    found = findings(Truth(daemon, proxy.witness), owner.book)
    assert not found.violations, "\n".join(found.violations)
    assert found.runs == len(owner.book.submissions) > len(POINTS) / 2
