"""A RunSpec takes what the contract lists, and refuses the rest by the field's name with a remedy."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from runsd_sdk.python import Entrypoint, PythonSpec
from runsd_sdk.spec import Batch, RunPatch, RunSpec, VolumeSpec

MOUNT = {"volumeId": "cache", "mountPath": "/cache"}


def parse(**given: Any) -> RunSpec:
    return RunSpec.model_validate_json(json.dumps({"image": "alpine", **given}))


def requests(**given: Any) -> dict[str, Any]:
    return {"resources": {"requests": given}}


def mounts(*paths: str) -> dict[str, Any]:
    return {"volumeMounts": [{"volumeId": f"v{n}", "mountPath": path} for n, path in enumerate(paths)]}


@pytest.mark.parametrize(
    ("given", "field", "remedy"),
    [
        ({"colour": "red"}, "colour", "not permitted"),
        ({"timeout_second": 1}, "timeout_second", "not permitted"),
        ({"command": "echo hi"}, "command", "array"),
        ({"command": []}, "command", "at least 1"),
        ({"command": ["a", 1]}, "command.1", "string"),
        ({"command": ["a\0b"]}, "command.0", "NUL"),
        ({"command": ["a", "x" * 2**17]}, "command.1", "128 KiB"),
        ({"env": {"A": "x" * (2**17 - 2)}}, "env", "128 KiB"),
        ({"env": {f"A{n}": "x" * 130_000 for n in range(9)}}, "env", "1 MiB"),
        ({"workdir": "/" + "d" * 4095}, "workdir", "4095"),
        ({"retries": {"on": ["lost"] * 65}}, "retries.on", "64"),
        ({"env": ["A=1"]}, "env", "object"),
        ({"env": {"A": 1}}, "env.A", "string"),
        (requests(cpu="0"), "resources.requests.cpu", "10m"),
        (requests(cpu="-1"), "resources.requests.cpu", "500m"),
        (requests(cpu="1e9"), "resources.requests.cpu", "500m"),
        (requests(cpu=1e9), "resources.requests.cpu", "1000"),
        (requests(cpu="NaN"), "resources.requests.cpu", "500m"),
        (requests(cpu=True), "resources.requests.cpu", "valid"),
        (requests(memory="8Gb"), "resources.requests.memory", "8Gi"),
        (requests(memory="1Mi"), "resources.requests.memory", "between"),
        (requests(gpu="half"), "resources.requests.gpu", "GPUs"),
        (requests(disk="1Gi"), "resources.requests.disk", "not permitted"),
        ({"timeoutSeconds": 0}, "timeoutSeconds", "greater than or equal to 1"),
        ({"timeoutSeconds": 86_401}, "timeoutSeconds", "less than or equal to 86400"),
        ({"timeoutSeconds": 1.5}, "timeoutSeconds", "integer"),
        ({"timeoutSeconds": "60"}, "timeoutSeconds", "integer"),
        ({"timeoutSeconds": True}, "timeoutSeconds", "integer"),
        ({"stopGraceSeconds": -1}, "stopGraceSeconds", "greater than or equal to 0"),
        ({"stopGraceSeconds": float("nan")}, "stopGraceSeconds", ""),
        ({"stopGraceSeconds": float("inf")}, "stopGraceSeconds", ""),
        (mounts("cache"), "volumeMounts.0.mountPath", "start it with '/'"),
        (mounts("/proc"), "volumeMounts.0.mountPath", "/data"),
        (mounts("/proc/self"), "volumeMounts.0.mountPath", "/data"),
        (mounts("//proc"), "volumeMounts.0.mountPath", "/data"),
        (mounts("/"), "volumeMounts.0.mountPath", "/data"),
        (mounts("/a/../proc"), "volumeMounts.0.mountPath", "'..'"),
        (mounts("/run/secrets"), "volumeMounts.0.mountPath", "/data"),
        (mounts("/cache", "/cache"), "", "volumeMounts has two volumes at '/cache'"),
        (mounts("/cache", "/cache/"), "", "volumeMounts has two volumes at '/cache'"),
        (mounts("/cache", "/./cache"), "", "volumeMounts has two volumes at '/cache'"),
        ({"volumeMounts": [{"volumeId": "v"}]}, "volumeMounts.0.mountPath", "required"),
        ({"volumeMounts": [MOUNT | {"mode": "rw"}]}, "volumeMounts.0.mode", "not permitted"),
        ({"env": {"A=B": "1"}}, "env", "'='"),
        ({"env": {"": "1"}}, "env", "empty"),
        ({"env": {"A\0": "1"}}, "env", "NUL"),
        ({"env": {"A": "x\0y"}}, "env.A", "NUL"),
        ({"image": "my image"}, "image", "name[:tag]"),
        ({"image": "Alpine"}, "image", "lower case"),
        ({"image": ""}, "image", "name[:tag]"),
        ({"image": "alpine:"}, "image", "name[:tag]"),
        ({"image": "alpine\n"}, "image", "name[:tag]"),
        ({"image": "a" * 600}, "image", "name[:tag]"),
        ({"labels": {"k" * 300: "v"}}, "labels", "1 to 128"),
        ({"labels": {"k": "v" * 300}}, "labels", "256"),
        ({"labels": {"k": 1}}, "labels.k", "string"),
        ({"name": ""}, "name", "at least 1"),
        ({"name": "a\nb"}, "name", "pattern"),
        ({"workdir": "src"}, "workdir", "start it with '/'"),
        ({"user": "a b"}, "user", "user:group"),
        ({"network": "a/b"}, "network", "bridge"),
        ({"runtime": "run/sc"}, "runtime", "runsc"),
        ({"pullPolicy": "sometimes"}, "pullPolicy", "missing"),
        ({"priority": 101}, "priority", "100"),
        ({"queueTtlSeconds": 0}, "queueTtlSeconds", "1"),
        ({"retries": {"limit": 11}}, "retries.limit", "10"),
        ({"retries": {"limit": 1, "on": ["bad luck"]}}, "retries.on.0", "retries"),
        ({"shmSize": "64 Mi"}, "shmSize", "512Mi"),
    ],
)
def test_a_bad_field_is_named_with_its_remedy(given: dict[str, Any], field: str, remedy: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(**given)
    found = caught.value.errors()
    where = ".".join(str(part) for part in found[0]["loc"])
    assert where == field or where.startswith(f"{field}.")  # a union's branch follows the field
    assert remedy in found[0]["msg"]


def test_a_missing_image_is_named() -> None:
    with pytest.raises(ValidationError, match="image"):
        RunSpec.model_validate_json("{}")


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"alpine"', "{'image': 'a'}"])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        RunSpec.model_validate_json(body)


@pytest.mark.parametrize(
    "image",
    [
        "alpine",
        "python:3.12-slim",
        "registry.example.com:5000/team/trainer:v1.2",
        "localhost:5000/a/b",
        "ghcr.io/o/i@sha256:" + "a" * 64,
        "sha256:" + "0" * 64,
        "a__b/c--d.e_f",
    ],
)
def test_image_references_that_docker_takes(image: str) -> None:
    assert parse(image=image).image == image


def test_defaults_are_the_contracts() -> None:
    spec = parse()
    assert (spec.timeout_seconds, spec.stop_grace_seconds, spec.network) == (3600, 10, "bridge")
    assert (spec.resources.requests.cpu_milli, spec.resources.requests.memory_bytes) == (1000, 2**30)
    assert (spec.pull_policy, spec.priority, spec.shm_size, spec.retries) == ("missing", 0, "64Mi", None)


def test_what_was_not_said_is_not_sent() -> None:
    assert parse(env={"A": "1"}).wire() == {"image": "alpine", "env": {"A": "1"}}


def test_mount_paths_are_made_plain() -> None:
    assert parse(**mounts("//cache/./x/")).volume_mounts[0].mount_path == "/cache/x"


def test_a_path_may_start_like_one_of_the_systems() -> None:
    assert parse(**mounts("/processed")).volume_mounts[0].mount_path == "/processed"


@pytest.mark.parametrize(
    "entrypoint",
    [
        '{"function": "a:f", "args": [NaN]}',
        '{"function": "a:f", "args": [[{"x": [1e999]}]]}',
        '{"function": "a:f", "kwargs": {"x": {"y": -Infinity}}}',
    ],
)
def test_arguments_that_json_would_turn_into_null_are_refused(entrypoint: str) -> None:
    with pytest.raises(ValidationError, match="which JSON does not; pass it as text"):
        Entrypoint.model_validate_json(entrypoint)


@pytest.mark.parametrize("version", ["3", "3.7", "3.11.2", "4.0", "3.12 ", ""])
def test_versions_of_python_are_told_how_to_be_written(version: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a version of Python; write 3\.8 or a newer one"):
        PythonSpec.model_validate({"version": version, "entrypoint": {"module": "a"}})
    assert PythonSpec.model_validate({"version": "3.8", "entrypoint": {"module": "a"}}).version == "3.8"


def test_a_batch_holds_one_to_a_thousand_runs() -> None:
    for count in (0, 1001):
        with pytest.raises(ValidationError, match="runs"):
            Batch.model_validate_json(json.dumps({"runs": [{"image": "a"}] * count}))
    with pytest.raises(ValidationError) as caught:
        Batch.model_validate_json(json.dumps({"runs": [{"image": "a"}, {"image": "a", "priority": "x"}]}))
    assert caught.value.errors()[0]["loc"] == ("runs", 1, "priority")


def test_a_patch_says_something() -> None:
    with pytest.raises(ValidationError, match="nothing to change"):
        RunPatch.model_validate_json("{}")
    with pytest.raises(ValidationError, match="timeoutSeconds"):
        RunPatch.model_validate_json('{"timeoutSeconds": 90000}')


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a b", "a/b", "..", "x" * 64, "a\n"])
def test_volume_names_that_docker_would_not_take(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        VolumeSpec.model_validate_json(json.dumps({"name": name}))
