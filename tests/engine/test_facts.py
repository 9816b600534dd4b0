"""The Engine's words turned into facts: instants without floats, references, classification."""

from typing import Any

import pytest

from runsd.engine import facts
from runsd.engine.port import ContainerState, ImageFacts, UsageSample

_ZERO = "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("2026-11-22T01:09:25.928123999Z", 1_795_309_765_928_123),
        ("2026-11-22T01:09:25.9Z", 1_795_309_765_900_000),
        ("2026-11-22T02:09:25.928123999+01:00", 1_795_309_765_928_123),
        ("2255-06-05T23:47:34.740993999Z", 2**53 + 1),  # no float holds it
    ],
)
def test_an_instant_is_exact_and_rounded_down(text: str, us: int | None) -> None:
    assert facts.instant_us(text) == us


@pytest.mark.parametrize(
    ("reference", "split"),
    [
        ("busybox", ("busybox", "latest")),
        ("busybox:1", ("busybox", "1")),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000/a/b", "latest")),
        ("127.0.0.1:5000/a/b:2", ("127.0.0.1:5000/a/b", "2")),
        ("127.0.0.1:5000/a@sha256:0f", ("127.0.0.1:5000/a", "sha256:0f")),
        ("127.0.0.1:5000/a:2@sha256:0f", ("127.0.0.1:5000/a", "sha256:0f")),
    ],
)
def test_a_reference_is_split_into_repository_and_one_tag_or_digest(
    reference: str, split: tuple[str, str]
) -> None:
    assert facts.split_reference(reference) == split


@pytest.mark.parametrize(
    ("reference", "digest"),
    [
        ("busybox:1", "busybox@sha256:b"),
        ("docker.io/library/busybox", "busybox@sha256:b"),
        ("mirror.example:5000/busybox", "mirror.example:5000/busybox@sha256:a"),
        ("elsewhere.example/busybox", None),
    ],
)
def test_a_digest_is_that_of_the_references_own_repository(reference: str, digest: str | None) -> None:
    digests = ["mirror.example:5000/busybox@sha256:a", "busybox@sha256:b"]
    inspected = {"Id": "sha256:i", "RepoDigests": digests}
    assert facts.image(inspected, reference) == ImageFacts("sha256:i", digest)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", ContainerState.CREATED),
        ("running", ContainerState.RUNNING),
        ("paused", ContainerState.RUNNING),
        ("restarting", ContainerState.RUNNING),
        ("removing", ContainerState.EXITED),
        ("exited", ContainerState.EXITED),
        ("dead", ContainerState.EXITED),
    ],
)
def test_every_state_of_the_engine_is_one_of_three(status: str, state: ContainerState) -> None:
    assert facts.container(_inspected(status)).state is state


def test_what_has_an_end_is_over_though_the_engine_calls_it_created() -> None:
    told = facts.container(_inspected("created", finished="2026-11-22T19:38:16.0869Z"))
    assert (told.state, told.has_run, told.started_us) == (ContainerState.EXITED, True, None)


def _inspected(status: str, finished: str = _ZERO) -> dict[str, Any]:
    return {
        "Id": "c",
        "Name": "/name",
        "Config": {"Labels": None},
        "State": {
            "Status": status,
            "ExitCode": 0,
            "OOMKilled": False,
            "Error": "",
            "StartedAt": _ZERO,
            "FinishedAt": finished,
            "Pid": 0,
        },
    }


def test_a_sample_with_cgroup_v2_has_no_peak() -> None:
    stats = {"cpu_stats": {"cpu_usage": {"total_usage": 1999}}, "memory_stats": {"usage": 7, "limit": 9}}
    assert facts.usage(stats) == UsageSample(cpu_us=1, memory_bytes=7, memory_peak_bytes=None)
