"""Who may send, how much, and what a container is told of where to."""

import stat
from pathlib import Path

import pytest

from runsd.errors import NotNow
from runsd.telemetry.bucket import Bucket
from runsd.telemetry.environment import variables
from runsd.telemetry.tokens import Tokens

RUN, OTHER = "run_" + "0" * 26, "run_" + "1" * 26
ENDPOINT = "http://172.17.0.1:4318"


def test_a_token_is_read_by_whoever_has_the_same_secret(tmp_path: Path) -> None:
    token = Tokens.kept_in(tmp_path).token(RUN, 3)
    assert Tokens.kept_in(tmp_path).attempt_of(token) == (RUN, 3)
    assert Tokens(bytes(32)).attempt_of(token) is None


def test_the_secret_is_its_owner_s_alone(tmp_path: Path) -> None:
    Tokens.kept_in(tmp_path)
    (key,) = tmp_path.iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32


def test_a_secret_that_was_cut_is_not_used(tmp_path: Path) -> None:
    Tokens.kept_in(tmp_path)
    (key,) = tmp_path.iterdir()
    key.write_bytes(b"short")
    with pytest.raises(NotNow, match="remove it"):
        Tokens.kept_in(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.replace(RUN, OTHER),
        lambda token: token.replace(".1.", ".2."),
        lambda token: token.replace(".1.", ".01."),
        lambda token: token.replace(".1.", ".¹."),
        lambda token: token[:-1],
        lambda token: token + "0",
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token.upper(),
        lambda token: token + "\n",
        lambda token: "",
    ],
)
def test_a_token_that_was_changed_is_nobody_s(change) -> None:  # type: ignore[no-untyped-def]
    tokens = Tokens(bytes(32))
    assert tokens.attempt_of(change(tokens.token(RUN, 1))) is None


def test_a_container_is_told_where_to_send_and_who_it_is() -> None:
    told = variables(RUN, 2, name="fold 1", endpoint=ENDPOINT, token="t", given={"A": "b"})
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == ENDPOINT
    assert told["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert told["OTEL_EXPORTER_OTLP_HEADERS"] == "Authorization=Bearer%20t"
    assert told["OTEL_RESOURCE_ATTRIBUTES"] == f"runsd.run.id={RUN},runsd.run.attempt=2"
    assert told["OTEL_SERVICE_NAME"] == "fold 1"
    assert "A" not in told


def test_what_a_run_is_given_is_never_changed() -> None:
    given = {"OTEL_SERVICE_NAME": "mine", "OTEL_METRIC_EXPORT_INTERVAL": "1"}
    assert not given.keys() & variables(RUN, 1, name=None, endpoint=ENDPOINT, token="t", given=given).keys()
    given = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}
    told = variables(RUN, 1, name=None, endpoint=ENDPOINT, token="t", given=given)
    assert not {"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"} & told.keys()


@pytest.mark.parametrize("setting", ["ENDPOINT", "HEADERS", "PROTOCOL", "TRACES_ENDPOINT"])
def test_a_program_that_sends_elsewhere_gets_no_token(setting: str) -> None:
    given = {f"OTEL_EXPORTER_OTLP_{setting}": "x"}
    assert variables(RUN, 1, name=None, endpoint=ENDPOINT, token="t", given=given) == {}


def test_a_bucket_gives_at_once_what_it_has_and_then_as_it_fills() -> None:
    bucket = Bucket.full(100, 10, now=0)
    bucket.take(150)
    assert bucket.wait_s(now=0) == 5
    assert bucket.wait_s(now=4) == 1
    assert bucket.wait_s(now=5) == 0
    assert bucket.wait_s(now=1000) == 0
    bucket.take(101)
    assert bucket.wait_s(now=1000) == pytest.approx(0.1)
