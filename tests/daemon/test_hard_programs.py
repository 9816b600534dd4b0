"""Programs that do what none should: their runs end with the truth, and the daemon stays as it is."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from runsd_sdk import Reason, RunHandle, RunResult, Status

from tests.conftest import Serve
from tests.daemon.harness import ENDED_S

MIB = 1024**2
NOTHING_LEFT = (
    "out_is_a_file",
    "out_is_a_loop",
    "out_leads_too_far",
    "out_leads_outside",
    "out_is_gone",
    "result_is_a_link",
    "result_is_a_pipe",
    "result_is_a_folder",
    "result_is_sparse",
    "result_is_deep",
    "result_is_half_a_pair",
    "result_is_too_much",
    "result_is_a_list",
    "result_is_nothing_but_zeros",
    "problems_without_end",
    "problems_of_nonsense",
    "problems_that_blame_others",
)
ENDS = {
    "not_a_number": (Status.SUCCEEDED, 0, "NaN"),
    "nested_not_a_number": (Status.SUCCEEDED, 0, {"a": [1.0, "NaN", {"b": "-Infinity"}]}),
    "huge_number": (Status.SUCCEEDED, 0, 10**4000),
    "half_a_pair": (Status.SUCCEEDED, 0, "?"),
    "mute": (Status.FAILED, 1, None),
    "killed": (Status.FAILED, 137, None),
    "out_of_memory": (Status.FAILED, 137, None),
    "leaves_at_once": (Status.FAILED, 3, None),
    "exits_with_words": (Status.FAILED, 1, None),
    "recursion": (Status.FAILED, 1, None),
    "segfault": (Status.FAILED, 139, None),
    "interrupted": (Status.FAILED, 130, None),
    "forks_and_the_child_returns": (Status.SUCCEEDED, 0, "parent"),
    "forks_and_the_child_stays": (Status.SUCCEEDED, 0, "parent"),
    "leaves_a_thread": (Status.SUCCEEDED, 0, "main"),
    "floods": (Status.SUCCEEDED, 0, "flooded"),
    "closes_its_output": (Status.SUCCEEDED, 0, "silent"),
    "goes_elsewhere": (Status.SUCCEEDED, 0, "/"),
    "ten_thousand_problems": (Status.SUCCEEDED, 0, "done"),
    "result_is_no_number": (Status.SUCCEEDED, 0, ["NaN", "Infinity", "-Infinity"]),
    "result_is_huge_number": (Status.SUCCEEDED, 0, 10**4000 - 1),
    **dict.fromkeys(NOTHING_LEFT, (Status.SUCCEEDED, 0, None)),
}


@pytest.fixture(scope="module")
def handles(
    serve: Serve, python_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, RunHandle]]:
    """All of them, at once, in one daemon that has nothing to complain of at its end."""
    folder = tmp_path_factory.mktemp("hard")
    outside = tmp_path_factory.mktemp("outside")
    (outside / "result.json").write_text('{"returnValue": "of the host"}')
    arguments = {"out_leads_outside": [str(outside)]}
    shutil.copy(Path(__file__).with_name("hard_programs.py"), folder / "hard.py")
    with serve() as daemon:
        source = {"upload": daemon.client.upload(folder).id}
        yield {
            name: daemon.client.create(
                image=python_image,
                network="none",
                resources={"requests": {"memory": "64Mi"}},
                timeout_seconds=600,
                source=source,
                python={"entrypoint": {"function": f"hard.py:{name}", "args": arguments.get(name, [])}},
            )
            for name in ("many_megabytes", *ENDS)
        }


def ended(handles: Mapping[str, RunHandle], name: str) -> RunResult:
    """Return what came of one."""
    return handles[name].wait(2 * ENDED_S)


@pytest.mark.parametrize("name", ENDS)
def test_it_ends_with_the_truth(handles: Mapping[str, RunHandle], name: str) -> None:
    result = ended(handles, name)
    assert (result.status, result.exit_code, result.return_value) == ENDS[name], result.message
    assert result.reason is (Reason.OOM_KILLED if name == "out_of_memory" else Reason.EXITED)


def test_a_value_of_ten_megabytes_is_described(handles: Mapping[str, RunHandle]) -> None:
    value = ended(handles, "many_megabytes").return_value
    assert isinstance(value, dict)
    assert value["truncated"] is True
    assert str(value["repr"]).startswith("'xxx")


def test_what_it_died_of_is_its_problem(handles: Mapping[str, RunHandle]) -> None:
    (mute,) = ended(handles, "mute").problems
    assert mute.message == "<exception str() failed>"
    (deep,) = ended(handles, "recursion").problems
    assert deep.type == "RecursionError"
    assert len(deep.stacktrace) < MIB


def test_every_byte_of_fifty_megabytes_is_counted_and_the_last_are_shown(
    handles: Mapping[str, RunHandle],
) -> None:
    result = ended(handles, "floods")
    assert result.logs.stdout_bytes == 50 * (MIB // 80) * 80
    assert (len(result.stdout), result.stdout_truncated) == (MIB, True)


def test_of_many_problems_some_are_kept(handles: Mapping[str, RunHandle]) -> None:
    for name in ("ten_thousand_problems", "problems_that_blame_others"):
        assert len(ended(handles, name).problems) == 200, name
