"""What a host accepts: its defaults filled in, its limits named with what there is, overrides merged."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runsd_sdk.fields import merged
from runsd_sdk.project import Project
from runsd_sdk.python import GitSource
from runsd_sdk.spec import RunSpec

from runsd.admission import Resources
from runsd.config import Settings
from runsd.errors import Refused
from runsd.intake import accept, capacity, check_timeout, largest_run

HOST = Resources(4000, 8 * 2**30)
LIMITED = Settings.model_validate(
    {
        "defaults": {"cpu": "250m", "memory": "64Mi", "timeout_seconds": 60, "max_timeout_seconds": 600},
        "images": {"allow": ["registry.local/*", "alpine:*"]},
        "network": {"allow": ["lan", "host"]},
        "containers": {"runtime": "runsc", "runtimes": ["kata", "runsc"]},
    }
)


def spec(**given: Any) -> RunSpec:
    return RunSpec.model_validate_json(json.dumps({"image": "alpine:3", **given}))


def objections(settings: Settings = LIMITED, at: tuple[str | int, ...] = (), **given: Any) -> dict[Any, str]:
    with pytest.raises(Refused) as caught:
        accept(spec(**given), settings, HOST, at=at)
    return dict(caught.value.errors)


def test_a_python_run_that_names_no_source_has_its_projects() -> None:
    repository = GitSource(url="https://example.org/code.git", ref="main")
    project = Project(name="team", members=[], repository=repository, created_at=None)
    program = {"python": {"entrypoint": {"file": "a.py"}}}
    other = {"git": {"url": "https://example.org/other.git"}}
    for said, expected in (
        (program, {"git": repository.wire()}),
        ({**program, "source": other}, other),
        ({"image": "alpine:3"}, None),
        ({"python": {"entrypoint": {"module": "a"}}, "source": None}, None),
    ):
        given = RunSpec.model_validate_json(json.dumps(said))
        source = accept(given, Settings(), HOST, project=project).source
        assert (source and source.wire()) == expected


def test_what_is_found_by_a_path_needs_a_source() -> None:
    program = {"entrypoint": {"file": "a.py"}}
    said = objections(python=program)
    assert said[("source",)] == "a file needs a source to be in; give source.git or source.upload"
    said = objections(python={"entrypoint": {"module": "a"}, "requirements": "requirements.txt"})
    assert said[("source",)].startswith("python.requirements is a file of a source")


def requests(**given: Any) -> dict[str, Any]:
    return {"resources": {"requests": given}}


def test_what_was_not_said_gets_the_hosts_defaults() -> None:
    accepted = accept(spec(), LIMITED, HOST)
    assert (accepted.resources.requests.cpu, accepted.resources.requests.memory) == ("250m", "64Mi")
    assert accepted.timeout_seconds == 60


def test_what_was_said_stays_also_when_it_is_the_contracts_default() -> None:
    said = {"timeoutSeconds": 600, **requests(cpu="1", memory="1Gi")}
    accepted = accept(spec(**said), LIMITED, HOST)
    assert (accepted.resources.requests.cpu, accepted.resources.requests.memory) == ("1", "1Gi")
    assert accepted.timeout_seconds == 600


def test_each_request_has_its_own_default() -> None:
    accepted = accept(spec(**requests(cpu="2")), LIMITED, HOST).resources.requests
    assert (accepted.cpu, accepted.memory) == ("2", "64Mi")


def test_the_rest_of_the_spec_is_not_touched() -> None:
    given = spec(env={"A": "1"}, labels={"k": "v"}, command=["x"], priority=7, queueTtlSeconds=9)
    accepted = accept(given, LIMITED, HOST)
    free = {"resources", "timeout_seconds"}
    assert accepted.model_dump(exclude=free) == given.model_dump(exclude=free)


@pytest.mark.parametrize(
    ("given", "loc", "said"),
    [
        (requests(cpu="5"), ("resources", "requests", "cpu"), "at most 4 cores, not 5"),
        (requests(memory="9Gi"), ("resources", "requests", "memory"), "at most 8.0 GiB, not 9Gi"),
        (requests(gpu="1"), ("resources", "requests", "gpu"), "has 0 GPUs, not 1"),
        ({"timeoutSeconds": 601}, ("timeoutSeconds",), "at most 600"),
        ({"image": "busybox"}, ("image",), "registry.local/*, alpine:*"),
        ({"network": "elsewhere"}, ("network",), "one of bridge, none, lan"),
        ({"runtime": "runc"}, ("runtime",), "one of runsc, kata, or left out"),
        ({"network": "host"}, ("network",), "one of bridge, none, lan"),  # not even when it is configured
    ],
)
def test_what_the_host_can_never_do_is_named_with_what_it_can(
    given: dict[str, Any], loc: tuple[str, ...], said: str
) -> None:
    found = objections(**given)
    assert list(found) == [loc]
    assert said in found[loc]


def test_all_objections_come_at_once_and_say_which_run_of_a_batch() -> None:
    found = objections(at=("runs", 3), image="busybox", timeoutSeconds=601, **requests(cpu="5", memory="9Gi"))
    assert set(found) == {
        ("runs", 3, "resources", "requests", "cpu"),
        ("runs", 3, "resources", "requests", "memory"),
        ("runs", 3, "timeoutSeconds"),
        ("runs", 3, "image"),
    }


def test_the_host_itself_fits_and_its_networks_do() -> None:
    accept(spec(network="lan", **requests(cpu="4", memory="8Gi")), LIMITED, HOST)
    accept(spec(network="none"), LIMITED, HOST)
    for runtime in ("runsc", "kata", None):
        assert accept(spec(runtime=runtime), LIMITED, HOST).runtime == runtime


def test_where_no_runtime_is_allowed_none_may_be_named() -> None:
    assert "containers.runtimes" in objections(Settings(), runtime="runc")["runtime",]


def test_overcommitment_makes_room_for_more_runs_and_not_for_larger_ones() -> None:
    given = {"capacity": {"cpu": "2", "memory": "4Gi", "overcommit": 2.5}}
    settings = Settings.model_validate(given)
    assert largest_run(settings) == Resources(2000, 4 * 2**30)
    assert capacity(settings) == Resources(5000, 4 * 2**30)


def test_a_timeout_over_the_maximum_is_refused_later_too() -> None:
    check_timeout(600, LIMITED)
    with pytest.raises(Refused, match="at most 600") as caught:
        check_timeout(601, LIMITED)
    assert caught.value.errors[0][0] == ("timeoutSeconds",)


@pytest.mark.parametrize(
    ("base", "patch", "result"),
    [
        ({"image": "a"}, {}, {"image": "a"}),
        ({"image": "a"}, {"image": "b"}, {"image": "b"}),
        ({"image": "a", "name": "n"}, {"name": None}, {"image": "a"}),
        ({"image": "a"}, {"name": None}, {"image": "a"}),
        ({"env": {"A": "1", "B": "2"}}, {"env": {"A": "3", "C": ""}}, {"env": {"A": "3", "B": "2", "C": ""}}),
        ({"env": {"A": "1", "B": "2"}}, {"env": {"A": None}}, {"env": {"B": "2"}}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        ({"retries": None}, {"retries": {"limit": 1, "on": None}}, {"retries": {"limit": 1}}),
        ({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
         {"resources": {"requests": {"cpu": "2"}}},
         {"resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}),
        ({"labels": "none"}, {"labels": {"k": "v"}}, {"labels": {"k": "v"}}),
        ({"labels": {"k": "v"}}, {"labels": "none"}, {"labels": "none"}),
        ({}, {"volumeMounts": [{"volumeId": None}]}, {"volumeMounts": [{"volumeId": None}]}),
    ],
)  # fmt: skip
def test_overrides_are_a_merge_patch(
    base: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    before = json.dumps(base)
    assert merged(base, patch) == result
    assert json.dumps(base) == before


keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2),
    lambda below: st.dictionaries(keys, below, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=3)


@given(objects, objects)
def test_a_patch_applied_twice_changes_nothing_more(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merged(base, patch)
    assert merged(once, patch) == once


@given(objects, objects)
def test_what_a_patch_does_not_name_stays(base: dict[str, Any], patch: dict[str, Any]) -> None:
    result = merged(base, patch)
    assert {k: v for k, v in result.items() if k not in patch} == {
        k: v for k, v in base.items() if k not in patch
    }
    assert not [key for key, value in patch.items() if value is None and key in result]


CONFINED = Settings.model_validate({"containers": {"user": "1000:1000", "allow_root": False}})


def test_a_run_that_names_no_user_gets_the_hosts() -> None:
    assert accept(spec(), CONFINED, HOST).user == "1000:1000"
    assert accept(spec(user="1001"), CONFINED, HOST).user == "1001"
    assert accept(spec(), LIMITED, HOST).user is None


@pytest.mark.parametrize("user", ["0", "00", "0:1000", "root", "root:root", "nobody"])
def test_where_nobody_may_be_root_a_user_is_another_number(user: str) -> None:
    assert "as a number" in objections(CONFINED, user=user)[("user",)]
    assert accept(spec(user=user), LIMITED, HOST).user == user


def test_where_nobody_may_be_root_the_images_own_user_does_not_do() -> None:
    confined = Settings.model_validate({"containers": {"allow_root": False}})
    assert objections(confined).keys() == {("user",)}


def test_an_image_that_is_not_allowed_is_refused_with_who_could_allow_it() -> None:
    assert "images.allow" in objections(image="busybox")[("image",)]
