"""The examples of Python programs do what they say, with packages that nobody here made."""

import csv
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import demo
import images
import pytest
from runsd_sdk import RunResult, RunsClient

from tests.acceptance.test_examples import EXAMPLES, run

pytestmark = [pytest.mark.needs("python-images", "package-index"), pytest.mark.timeout(600)]

# In a folder of its own, where only the program's own process would look for it.
IN_PROCESSES = """
import logging
import os
import daft

@daft.func.batch(return_dtype=daft.DataType.int64(), use_process=True)
def numbers(texts):
    return daft.Series.from_pylist([number(text) for text in texts])

def number(text):
    try:
        return int(text)
    except ValueError:
        logging.exception("left out")

def add_up():
    texts = daft.from_pydict({"text": ["1", "x", "20", "y", "300", "z"]})
    print(texts.select(numbers(texts["text"])).sum("text").to_pydict(), flush=True)
    os._exit(0)  # Daft 0.7.26 goes on to end its processes, and may crash in a Python that ends meanwhile
"""
RATES = {"EUR": 1.0, "GBP": 0.8, "USD": 1.25}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, engine_host: str, instances: set[str]) -> Iterator[str]:
    with demo.daemon(tmp_path_factory.mktemp("runsd")) as host:
        with RunsClient(host) as client:
            instances.add(client.info().instance)
        yield host


@pytest.fixture
def client(host: str) -> Iterator[RunsClient]:
    with RunsClient(host) as client:
        yield client


def test_nine_folds_score_what_scikit_learn_says_of_them(host: str, client: RunsClient) -> None:
    done = submit("scikit_learn", "--cpu", "0.2", host=host)
    assert done.returncode == 0, done.stderr
    by_name = {one.name: client.result(one.id) for one in client.iterate()}
    folds = [by_name[f"fold-{fold}"] for fold in range(9)]
    scores = [fold.return_value for fold in folds]
    assert re.findall(r"^ +\d +(\S+)", done.stdout, re.MULTILINE) == [f"{score:.4f}" for score in scores]
    assert f"mean  {sum(scores) / 9:12.4f}" in done.stdout
    plain = client.create_python(
        EXAMPLES / "scikit_learn", function="digits.py:train_one_by_one",
        version="3.13", requirements="requirements.txt", network="none",
    ).wait(check=True)  # fmt: skip
    assert scores == plain.return_value
    assert len({each.image.id for each in (*folds, plain)}) == 1
    assert plain.image.reference == images.PYTHON_3_13


def test_bad_prices_are_problems_and_the_others_are_added_up(host: str, client: RunsClient) -> None:
    good, bad = orders()
    done = submit("daft_pipeline", host=host)
    assert done.returncode == 0, done.stderr
    result = newest(client)
    turnover = result.return_value
    assert result.image.reference == images.PYTHON_3_11
    assert turnover["country"] == sorted(good)
    assert turnover["orders"] == [len(good[country]) for country in sorted(good)]
    assert turnover["euros"] == pytest.approx([sum(good[country]) for country in sorted(good)], abs=0.01)
    assert {problem.type: problem.count for problem in result.problems} == bad
    assert {problem.origin for problem in result.problems} == {"logged"}
    assert all(re.fullmatch(r"pipeline\.py:\d+ in worth", each.frames[0]) for each in result.problems)
    assert sum(f"{count} x {kind}: " in done.stdout for kind, count in bad.items()) == len(bad) == 2


def test_a_bad_price_ends_a_strict_pipeline(host: str, client: RunsClient) -> None:
    done = submit("daft_pipeline", "--strict", host=host)
    assert done.returncode == 1
    result = newest(client)
    assert result.exit_code == 1
    (problem,) = result.problems
    assert (problem.type, problem.origin, problem.count) == ("ValueError", "uncaught", 1)
    assert re.fullmatch(r"pipeline\.py:\d+ in worth", problem.frames[0])
    assert re.fullmatch(r"pipeline\.py:\d+ in turnover", problem.frames[-1])


def test_problems_of_processes_that_daft_starts_are_seen(client: RunsClient, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "adding.py").write_text(IN_PROCESSES)
    requirements = (EXAMPLES / "daft_pipeline" / "requirements.txt").read_text()
    (tmp_path / "requirements.txt").write_text(requirements)
    result = client.create_python(
        tmp_path, function="folder/adding.py:add_up", version="3.11", requirements="requirements.txt",
        network="none", retries={"limit": 2, "on": ["exited:134", "exited:139"]},
    ).wait(check=True)  # fmt: skip
    assert result.stdout.endswith("{'text': [321]}\n")
    (problem,) = result.problems
    assert (problem.type, problem.origin, problem.count) == ("ValueError", "logged", 3)
    assert re.fullmatch(r"folder/adding\.py:\d+ in number", problem.frames[0])


def test_requests_and_tokens_are_what_the_model_counted(host: str, client: RunsClient) -> None:
    done = submit("openai_tokens", host=host)
    assert done.returncode == 0, done.stdout + done.stderr
    result = newest(client)
    told = client.metrics(result.id)
    counted = {"requests": told.requests, "tokens_in": told.tokens_in, "tokens_out": told.tokens_out}
    assert counted == result.return_value
    assert counted["requests"] == 13


def submit(example: str, *arguments: str, host: str) -> "subprocess.CompletedProcess[str]":
    return run(EXAMPLES / example / "submit.py", *arguments, RUNSD_HOST=host)


def newest(client: RunsClient) -> RunResult:
    return client.result(next(client.iterate()).id)


def orders() -> tuple[dict[str, list[float]], Counter[str]]:
    """Read the orders as the pipeline should: euros by country, and how many were bad in which way."""
    good: defaultdict[str, list[float]] = defaultdict(list)
    bad: Counter[str] = Counter()
    with Path(EXAMPLES, "daft_pipeline", "orders.csv").open() as file:
        for order in csv.DictReader(file):
            found = re.fullmatch(r"(\d+\.\d+) ([A-Z]{3})", order["price"])
            if found is None:
                bad["ValueError"] += 1
            elif found[2] not in RATES:
                bad["KeyError"] += 1
            else:
                good[order["country"]].append(float(found[1]) / RATES[found[2]])
    return good, bad
