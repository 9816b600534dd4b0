"""Calls of a function as flows: what is sent for them, once, and what comes of their runs."""

import asyncio
import importlib
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runsd_sdk import AsyncRunsClient, RunsClient, remote
from runsd_sdk.calls import Call
from runsd_sdk.errors import (
    InvalidArguments,
    InvalidFunction,
    InvalidSpec,
    RemoteException,
    RunFailed,
    Unprocessable,
)
from runsd_sdk.host import Problem, Source
from runsd_sdk.link import Link
from runsd_sdk.program import Program
from runsd_sdk.python import GitSource
from runsd_sdk.run import RunBatch, RunProblem

from tests.unit.sdk.answers import NOW, problem, result, run, run_json
from tests.unit.sdk.script import Played
from tests.unit.sdk.server import Server, says, serving

ONE, TWO = f"src_{1:032}", f"src_{2:032}"
LINK = Link()
GONE = Unprocessable(
    Problem.model_validate(
        {**problem(422).wire(), "errors": [{"loc": ["source"], "msg": "there is no source, or no longer"}]}
    )
)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module in a folder of its own, with functions."""
    text = "def square(x: int) -> int: return x * x\ndef power(x: int, y: int) -> int: return x**y\n"
    (tmp_path / "remote_job.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("remote_job")
    del sys.modules["remote_job"]


@pytest.fixture
def squares(job: Any) -> Program:
    """Its function as a program."""
    return Program(job.square, {})


def sent_as(id: str) -> Source:
    return Source.model_validate({"id": id, "sizeBytes": 1, "files": 1, "createdAt": NOW})


def asked(played: Played) -> list[tuple[str, str]]:
    """Return what was asked for, and with which source."""
    return [(step.path, source_of(step)) for step in played.asked if isinstance(step, Call)]


def source_of(call: Call[Any]) -> str:
    if not isinstance(call.body, bytes):
        return ""
    body = json.loads(call.body)
    return "+".join(each["source"]["upload"] for each in body.get("runs", [body]))


def test_a_folder_is_sent_once_for_all_calls(squares: Program) -> None:
    sent = remote.Sent(LINK)
    first = spawned(squares, sent, [sent_as(ONE), run()])
    assert asked(first) == [("/v1/sources", ""), ("/v1/runs", ONE)]
    assert asked(spawned(squares, sent, [run()])) == [("/v1/runs", ONE)]
    assert asked(spawned(squares.with_fields({"cpu": 2}), sent, [run()])) == [("/v1/runs", ONE)]


def test_a_folder_is_sent_again_when_the_daemon_has_it_no_more(squares: Program) -> None:
    sent = remote.Sent(LINK)
    spawned(squares, sent, [sent_as(ONE), run()])
    again = spawned(squares, sent, [GONE, sent_as(TWO), run()])
    assert asked(again) == [("/v1/runs", ONE), ("/v1/sources", ""), ("/v1/runs", TWO)]
    other = Unprocessable(problem(422))
    assert spawned(squares, sent, [other]).error is other


async def test_calls_at_once_wait_for_one_upload(tmp_path: Path, job: Any) -> None:
    stored = says(sent_as(ONE).model_dump_json(by_alias=True), status=201)
    submitted = [says(json.dumps(run_json()), status=201)] * 3
    socket = tmp_path / "s"
    async with serving(socket, stored, *submitted) as server, AsyncRunsClient(f"unix://{socket}") as client:
        square = client.function(job.square)
        await asyncio.gather(*(square.spawn(x) for x in range(3)))
    assert paths(server) == ["/v1/sources", *["/v1/runs"] * 3]


async def test_threads_wait_for_one_upload(tmp_path: Path, job: Any) -> None:
    stored = says(sent_as(ONE).model_dump_json(by_alias=True), status=201)
    submitted = [says(json.dumps(run_json()), status=201)] * 3
    async with serving(tmp_path / "s", stored, *submitted) as server:
        with RunsClient(f"unix://{server.socket}") as client:
            square = client.function(job.square)
            await asyncio.gather(*(asyncio.to_thread(square.spawn, x) for x in range(3)))
    assert paths(server) == ["/v1/sources", *["/v1/runs"] * 3]


def paths(server: Server) -> list[str]:
    return [head.split()[1] for head in server.heads]


def spawned(program: Program, sent: remote.Sent, answers: list[Any]) -> Played:
    return Played(remote.spawn(program, program.call([3], {}), sent=sent, link=LINK), answers)


def test_a_map_emits_values_in_order_and_raises_the_first_failure(squares: Program) -> None:
    batch = RunBatch.model_validate({"data": [run_json(id=each) for each in "abc"]})
    good = [result(id=each).model_copy(update={"return_value": each}) for each in "abc"]
    bad = result(id="b", status="failed", exitCode=1).model_copy(
        update={
            "problems": [RunProblem(type="ValueError", message="no", stacktrace="at b", origin="uncaught")]
        }
    )
    answers = [sent_as(ONE), batch, good[0], good[0], bad, bad, good[2], good[2]]
    played = mapped(squares, answers, return_exceptions=False)
    assert asked(played)[1] == ("/v1/runs/batch", "+".join([ONE] * 3))
    assert played.emitted == ["a"]
    assert isinstance(played.error, RemoteException)
    first, failure, last = mapped(squares, answers, return_exceptions=True).emitted
    assert (first, last) == ("a", "c")
    assert isinstance(failure, RunFailed)


def mapped(squares: Program, answers: list[Any], *, return_exceptions: bool) -> Played:
    runs = [squares.call([x], {}) for x in range(3)]
    flow = remote.map_calls(
        squares, runs, None, return_exceptions=return_exceptions, sent=remote.Sent(LINK), link=LINK
    )
    return Played(flow, answers)


def test_a_map_takes_one_argument_of_each_iterable_until_the_shortest_ends(job: Any) -> None:
    calls = Program(job.power, {}).calls([range(9), iter([2, 3])])
    assert [call["python"]["entrypoint"]["args"] for call in calls] == [[0, 2], [1, 3]]
    with pytest.raises(InvalidArguments, match="missing a required argument: 'y'"):
        Program(job.power, {}).calls([[1, 2]])
    with pytest.raises(InvalidArguments, match="give at least one iterable"):
        Program(job.power, {}).calls([])


def test_fields_are_those_of_a_run(job: Any) -> None:
    fields: Any = {"memory": "4Gi", "resources": {"requests": {"gpu": "1", "cpu": 1}}, "labels": {"a": "b"}}
    called = Program(job.square, {"python": "3.11", "cpu": 2, **fields}).call([3], {})
    assert called == {
        "python": {
            "version": "3.11",
            "entrypoint": {"function": "remote_job.py:square", "args": [3], "kwargs": {}},
        },
        "resources": {"requests": {"cpu": 2, "memory": "4Gi", "gpu": "1"}},
        "labels": {"a": "b"},
    }


def test_imports_begin_where_they_begin_here(job: Any) -> None:
    above = Path(job.__file__).parents[1]
    (pack := Path(job.__file__).parent / "inner").mkdir()
    (pack / "remote_job.py").write_text("def square(x): return x * x")
    inner = importlib.import_module("inner.remote_job")
    try:
        program = Program(inner.square, {"env": {"PYTHONPATH": "/opt"}}, source=above)
        assert program.call([3], {})["env"] == {"PYTHONPATH": f"/workspace/{pack.parent.name}:/opt"}
    finally:
        del sys.modules["inner"], sys.modules["inner.remote_job"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"cpu": "many"}, "resources.requests.cpu: .* is not a cpu quantity"),
        ({"python": "2.7"}, "python.version: "),
        ({"args": [1]}, "args: the function says what runs; leave this out"),
    ],
)
def test_fields_that_no_run_has_are_refused_as_it_is_decorated(job: Any, fields: Any, wrong: str) -> None:
    with RunsClient("http://nobody") as client, pytest.raises(InvalidSpec, match=wrong):
        client.function(**fields)(job.square)


def test_a_repository_is_named_and_nothing_sent(job: Any) -> None:
    there = Program(job.square, {}, source=GitSource(url="https://example.org/code.git"))
    played = spawned(there, remote.Sent(LINK), [run()])
    assert [step.path for step in played.asked if isinstance(step, Call)] == ["/v1/runs"]
    (call,) = (step for step in played.asked if isinstance(step, Call))
    assert isinstance(call.body, bytes)
    assert json.loads(call.body)["source"] == {"git": {"url": "https://example.org/code.git"}}


def test_decorated_it_is_the_function_still(job: Any) -> None:
    with RunsClient("http://nobody") as client:
        bare, with_fields = client.function(job.square), client.function(cpu=2)(job.square)
        assert (bare(3), with_fields(x=4), bare.__name__, bare.__doc__) == (9, 16, "square", None)
        job.square = bare
        assert pickle.loads(pickle.dumps(bare)) is bare  # noqa: S301 as a pool of processes does
        with pytest.raises(InvalidFunction, match="write it with def"):
            client.function(lambda: None)
