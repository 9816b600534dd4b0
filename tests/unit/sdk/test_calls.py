"""Requests are what the contract says."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from runsd_sdk import calls, fields
from runsd_sdk.calls import Call, Feed
from runsd_sdk.errors import InvalidSpec
from runsd_sdk.spec import Requests, Resources, VolumeMount

CASES: list[tuple[Call[Any], str, str, dict[str, str]]] = [
    (calls.get("run_1"), "GET", "/v1/runs/run_1", {}),
    (calls.wait("run_1"), "GET", "/v1/runs/run_1/wait", {"timeoutSeconds": "55"}),
    (calls.result("run_1"), "GET", "/v1/runs/run_1/result", {}),
    (calls.cancel("run_1"), "POST", "/v1/runs/run_1/cancel", {}),
    (calls.rerun("run_1", {}), "POST", "/v1/runs/run_1/rerun", {}),
    (calls.rerun_batch(["run_1", "run_2"]), "POST", "/v1/runs/rerun", {}),
    (calls.extend("run_1", 60), "PATCH", "/v1/runs/run_1", {}),
    (calls.delete("run_1"), "DELETE", "/v1/runs/run_1", {}),
    (calls.metrics("run_1"), "GET", "/v1/runs/run_1/metrics", {}),
    (calls.why("run_1"), "GET", "/v1/runs/run_1/why", {}),
    (calls.list_events(since=3, limit=2), "GET", "/v1/events", {"since": "3", "limit": "2"}),
    (calls.list_events("run_1"), "GET", "/v1/runs/run_1/events", {}),
    (calls.create_volume("data"), "POST", "/v1/volumes", {}),
    (calls.list_volumes(), "GET", "/v1/volumes", {}),
    (calls.get_volume("data"), "GET", "/v1/volumes/data", {}),
    (calls.delete_volume("data"), "DELETE", "/v1/volumes/data", {}),
    (calls.set_secret("DB_URL", "hush"), "PUT", "/v1/secrets/DB_URL", {}),
    (calls.list_secrets(), "GET", "/v1/secrets", {}),
    (calls.delete_secret("DB_URL"), "DELETE", "/v1/secrets/DB_URL", {}),
    (calls.create_webhook("https://a/b", events=["*"]), "POST", "/v1/webhooks", {}),
    (calls.list_webhooks(), "GET", "/v1/webhooks", {}),
    (calls.get_webhook("wh_1"), "GET", "/v1/webhooks/wh_1", {}),
    (calls.update_webhook("wh_1", enabled=False), "PATCH", "/v1/webhooks/wh_1", {}),
    (calls.rotate_webhook("wh_1"), "POST", "/v1/webhooks/wh_1/rotate", {}),
    (calls.delete_webhook("wh_1"), "DELETE", "/v1/webhooks/wh_1", {}),
    (calls.test_webhook("wh_1"), "POST", "/v1/webhooks/wh_1/test", {}),
    (
        calls.list_deliveries("wh_1", status="failed", limit=3),
        "GET",
        "/v1/webhooks/wh_1/deliveries",
        {"status": "failed", "limit": "3"},
    ),
    (calls.get_delivery("wh_1", "msg_1"), "GET", "/v1/webhooks/wh_1/deliveries/msg_1", {}),
    (calls.redeliver("wh_1", "msg_1"), "POST", "/v1/webhooks/wh_1/deliveries/msg_1/redeliver", {}),
    (calls.create_task("t", {"image": "a"}), "POST", "/v1/tasks", {}),
    (calls.list_tasks(), "GET", "/v1/tasks", {}),
    (calls.get_task("t"), "GET", "/v1/tasks/t", {}),
    (calls.task_versions("t"), "GET", "/v1/tasks/t/versions", {}),
    (calls.change_task("t", {}, rename="u"), "PATCH", "/v1/tasks/t", {}),
    (calls.schedule_task("t", {"cron": "@daily"}), "PATCH", "/v1/tasks/t", {}),
    (calls.open_hook("t", secret="S"), "POST", "/v1/tasks/t/webhook", {}),
    (calls.close_hook("t"), "DELETE", "/v1/tasks/t/webhook", {}),
    (calls.delete_task("t"), "DELETE", "/v1/tasks/t", {}),
    (calls.trigger("t", {}), "POST", "/v1/tasks/t/trigger", {}),
    (calls.usage("2026-11", group_by="day"), "GET", "/v1/usage", {"month": "2026-11", "groupBy": "day"}),
    (calls.health(), "GET", "/v1/health", {}),
    (calls.info(), "GET", "/v1/info", {}),
]


@pytest.mark.parametrize(("call", "method", "path", "query"), CASES)
def test_method_path_and_query(call: Call[Any], method: str, path: str, query: dict[str, str]) -> None:
    assert (call.method, call.path, dict(call.query)) == (method, path, query)


def test_a_long_poll_outlives_the_time_it_asks_for() -> None:
    assert calls.wait("a", timeout_s=55).read_s > 60


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    assert calls.get("../usage").path == "/v1/runs/..%2Fusage"
    with pytest.raises(ValueError, match="empty"):
        calls.get("")


def test_a_create_sends_only_what_was_said_so_that_the_daemons_defaults_apply() -> None:
    call = calls.create({"image": "alpine", "env": {"SOME_KEY": "1"}, "timeout_seconds": 5})
    assert body(call) == {"image": "alpine", "env": {"SOME_KEY": "1"}, "timeoutSeconds": 5}
    assert call.path == "/v1/runs"


def test_every_submission_has_its_own_idempotency_key_unless_given() -> None:
    keys = {dict(calls.create({"image": "a"}).headers)["Idempotency-Key"] for _ in range(3)}
    assert len(keys) == 3
    assert dict(calls.create({"image": "a"}, idempotency_key="k").headers)["Idempotency-Key"] == "k"


@pytest.mark.parametrize(
    "given",
    [
        {"volume_mounts": [{"volumeId": "v", "mountPath": "/c"}], "resources": {"requests": {"cpu": "4"}}},
        {"volumeMounts": [{"volume_id": "v", "mount_path": "/c"}], "resources": {"requests": {"cpu": "4"}}},
        {
            "volume_mounts": (VolumeMount(volume_id="v", mount_path="/c"),),
            "resources": Resources(requests=Requests(cpu="4")),
        },
    ],
)
def test_snake_case_camel_case_and_models_mean_the_same(given: dict[str, object]) -> None:
    assert body(calls.create({"image": "a", **given})) == {
        "image": "a",
        "volumeMounts": [{"volumeId": "v", "mountPath": "/c"}],
        "resources": {"requests": {"cpu": "4"}},
    }


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"image": "a", "colour": "red"}, "colour: "),
        ({}, "image: "),
        ({"image": "a", "resources": {"requests": {"cpu": [1]}}}, "resources.requests.cpu: "),
        ({"image": "a", "env": {"A": 1}}, "env.A: "),
        ({"image": "a", "env": {"A": object()}}, "JSON"),
    ],
)
def test_a_wrong_field_is_named_before_anything_is_sent(given: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidSpec, match=where.replace(".", r"\.")) as caught:
        calls.create(given)
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.errors) == 1


def test_a_batch_names_the_run_that_is_wrong() -> None:
    with pytest.raises(InvalidSpec, match=r"runs\.1\.image"):
        calls.create_batch([{"image": "a"}, {"image": "A b"}])


def test_many_runs_become_batches_of_a_thousand() -> None:
    sizes = [len(body(call)["runs"]) for call in calls.create_batches([{"image": "a"}] * 2001)]
    assert sizes == [1000, 1000, 1]


def test_batches_are_no_larger_than_the_daemon_takes() -> None:
    specs = [{"image": "a", "env": {f"DATA{n}": "x" * 131_000 for n in range(8)}}] * 21
    batches = calls.create_batches(specs)
    assert [len(body(call)["runs"]) for call in batches] == [9, 9, 3]
    assert all(len(call.body) < 10 * 2**20 for call in batches if isinstance(call.body, bytes))
    assert [len(batch) for batch in calls.batches([{"image": "a" * 2**24}] * 2)] == [1, 1]


def test_overrides_are_a_merge_patch_where_null_removes() -> None:
    call = calls.rerun("a", {"name": None, "env": {"OLD": None, "NEW": "1"}, "timeout_seconds": 9})
    assert body(call) == {"name": None, "env": {"OLD": None, "NEW": "1"}, "timeoutSeconds": 9}
    with pytest.raises(InvalidSpec, match="timeoutSeconds"):
        calls.rerun("a", {"timeout_seconds": 0})


def test_spread_lays_each_override_over_the_common_fields() -> None:
    common = {"image": "a", "env": {"A": "1", "B": "2"}, "labels": {"my_key": "x"}}
    over = [{"env": {"B": "3"}}, {"env": {"A": None}, "image": "b"}, {"labels": None}]
    assert fields.spread(common, over) == [
        {"image": "a", "env": {"A": "1", "B": "3"}, "labels": {"my_key": "x"}},
        {"image": "b", "env": {"B": "2"}, "labels": {"my_key": "x"}},
        {"image": "a", "env": {"A": "1", "B": "2"}},
    ]


def test_filters_of_a_list() -> None:
    after = datetime(2026, 11, 22, tzinfo=UTC)
    call = calls.list_runs(
        status=["failed", "timeout"], label={"a": "1", "b": "2"}, text="a b", batch="run_1",
        created_after=after, created_before=after, limit=5,
    )  # fmt: skip
    assert call.query == (
        ("status", "failed"),
        ("status", "timeout"),
        ("label", "a=1"),
        ("label", "b=2"),
        ("text", "a b"),
        ("batch", "run_1"),
        ("createdAfter", "2026-11-22T00:00:00.000000Z"),
        ("createdBefore", "2026-11-22T00:00:00.000000Z"),
        ("limit", "5"),
    )


@pytest.mark.parametrize(
    ("feed", "accept", "query"),
    [
        (calls.logs("a"), "application/x-ndjson", {"stream": "all"}),
        (
            calls.logs("a", follow=True, since="1.2", attempt=2, stream="stderr"),
            "text/event-stream",
            {"stream": "stderr", "since": "1.2", "attempt": "2", "follow": "true"},
        ),
        (calls.raw_logs("a"), "text/plain", {"stream": "stdout"}),
        (calls.follow_events(since=4), "text/event-stream", {"since": "4"}),
    ],
)
def test_streams_ask_for_their_format(feed: Feed[Any], accept: str, query: dict[str, str]) -> None:
    assert (feed.accept, dict(feed.query)) == (accept, query)
    assert feed.read_s > 15  # the daemon's sign of life


def body(call: Call[Any]) -> Any:
    assert call.body is not None
    return json.loads(call.body)
