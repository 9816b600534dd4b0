"""Settings: what wins, where a value came from, and whom to blame for a bad one."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from runsd.config import Configuration, Settings, load
from runsd.errors import Refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(file: Path, text: str = "", **environment: str) -> Configuration:
    file.write_text(text)
    return load(file, environment=environment)


def refusal(file: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(Refused) as caught:
        loaded(file, text, **environment)
    return str(caught.value)


def sources(configuration: Configuration) -> Mapping[str, str]:
    return {setting.name: setting.source for setting in configuration}


def test_nothing_said_means_the_defaults() -> None:
    configuration = load(None, environment={})
    assert configuration.settings == Settings()
    assert set(sources(configuration).values()) == {"default"}
    assert configuration.settings.billing.price_per_vcpu_second_usd == Decimal("0.00004")
    assert configuration.settings.billing.free_vcpu_seconds == 100_000


def test_a_flag_beats_the_environment_which_beats_the_file(file: Path) -> None:
    file.write_text('[engine]\nhost = "unix:///file"\n[defaults]\ncpu = "2"\nmemory = "2Gi"\n')
    environment = {"RUNSD_ENGINE__HOST": "unix:///environment", "RUNSD_DEFAULTS__CPU": "3"}
    configuration = load(file, environment=environment, flags={"engine.host": "unix:///flag"})
    settings = configuration.settings
    assert (settings.engine.host, settings.defaults.cpu, settings.defaults.memory) == (
        "unix:///flag", "3", "2Gi",
    )  # fmt: skip
    found = sources(configuration)
    assert found["engine.host"] == "flag for engine.host"
    assert found["defaults.cpu"] == "RUNSD_DEFAULTS__CPU"
    assert found["defaults.memory"] == str(file)
    assert found["defaults.timeout_seconds"] == "default"


def test_a_flag_that_was_not_given_says_nothing(file: Path) -> None:
    file.write_text('[engine]\nhost = "unix:///file"\n')
    assert load(file, environment={}, flags={"engine.host": None}).settings.engine.host == "unix:///file"


def test_every_setting_is_shown_with_value_default_and_description(file: Path) -> None:
    shown = {setting.name: setting for setting in loaded(file, RUNSD_CAPACITY__OVERCOMMIT="1.5")}
    assert shown["capacity.overcommit"].value == 1.5
    assert shown["capacity.overcommit"].default == 1.0
    assert all(setting.description for setting in shown.values())
    assert len(shown) == sum(len(type(section).model_fields) for _, section in Settings())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[engine]\nhots = 1", "'engine.hots'"),
        ("[motor]\nhost = 1", "'motor.host'"),
        ("host = 1", "'host'"),
    ],
)
def test_an_unknown_key_of_the_file_is_named(file: Path, text: str, named: str) -> None:
    said = refusal(file, text)
    assert named in said
    assert str(file) in said


def test_an_unknown_variable_is_named_with_what_is_known(file: Path) -> None:
    said = refusal(file, RUNSD_ENGINE__HOTS="1")
    assert "RUNSD_ENGINE__HOTS" in said
    assert "host, max_concurrent_starts" in said
    assert "engine, capacity" in refusal(file, RUNSD_MOTOR__HOST="1")


def test_variables_without_a_section_are_the_clients(file: Path) -> None:
    assert loaded(file, RUNSD_HOST="unix:///x", RUNSD_API_KEY="k", OTHER__KEY="v").settings == Settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[defaults]\ntimeout_seconds = 0", "defaults.timeout_seconds"),
        ('[defaults]\ncpu = "lots"', "defaults.cpu"),
        ('[capacity]\nreserve_memory = "8Gb"', "capacity.reserve_memory"),
        ("[capacity]\novercommit = 0.5", "capacity.overcommit"),
        ("[billing]\nprice_per_vcpu_second_usd = -1", "billing.price_per_vcpu_second_usd"),
        ("[logs]\nmax_bytes_per_attempt = 1", "logs.max_bytes_per_attempt"),
        ("[images]\nallow = 7", "images.allow"),
        ('[tcp]\nlisten = "8686"', "tcp.listen"),
        ('[tcp]\nlisten = "localhost:65536"', "tcp.listen"),
        ('[tcp]\nlisten = "::1:8686"', "tcp.listen"),
        ('[tcp]\nprivate_key = "/a.pem"', "tcp.private_key"),
    ],
)
def test_a_bad_value_is_named_with_its_source(file: Path, text: str, named: str) -> None:
    said = refusal(file, text)
    assert named in said
    assert str(file) in said


def test_a_bad_value_of_the_environment_is_named_with_its_variable(file: Path) -> None:
    said = refusal(file, RUNSD_ENGINE__MAX_CONCURRENT_STARTS="many")
    assert "engine.max_concurrent_starts from RUNSD_ENGINE__MAX_CONCURRENT_STARTS" in said


def test_a_file_that_is_no_toml_and_one_that_is_missing_are_named(file: Path, tmp_path: Path) -> None:
    assert str(file) in refusal(file, "engine: {host: x}")
    with pytest.raises(Refused, match="nowhere"):
        load(tmp_path / "nowhere", environment={})


@pytest.mark.parametrize("text", ["/a,/b", " /a , /b,", '["/a", "/b"]', ' [ "/a","/b" ] '])
def test_a_list_in_the_environment_is_json_or_written_with_commas(file: Path, text: str) -> None:
    links = {"RUNSD_ENVIRONMENTS__FIND_LINKS": text, "RUNSD_ENVIRONMENTS__EXTRA_INDEX_URLS": "[]"}
    settings = loaded(file, RUNSD_SOURCES__LOCAL=text, **links).settings
    assert settings.environments.find_links == settings.sources.local == ["/a", "/b"]
    assert settings.environments.extra_index_urls == []


def test_a_glob_in_the_environment_may_begin_with_a_bracket(file: Path) -> None:
    settings = loaded(file, RUNSD_IMAGES__ALLOW="[ab]*/c,alpine", RUNSD_NETWORK__ALLOW="lan").settings
    assert settings.images.allow == ["[ab]*/c", "alpine"]
    assert settings.network.allow == ["lan"]


@pytest.mark.parametrize("text", ["git", '["/a"', '["/a"],["/b"]', '["/a", 5]'])
def test_a_list_in_the_environment_that_cannot_be_used_is_named(file: Path, text: str) -> None:
    said = refusal(file, RUNSD_SOURCES__LOCAL=text)
    assert "cannot use sources.local from RUNSD_SOURCES__LOCAL: " in said


def test_the_hosts_capacity_is_what_was_said_or_what_is_there_less_the_reserve(file: Path) -> None:
    said = loaded(file, RUNSD_CAPACITY__CPU="2500m", RUNSD_CAPACITY__MEMORY="3Gi").settings
    assert (said.host_cpu_milli, said.host_memory_bytes) == (2500, 3 * 2**30)
    one, two = (
        loaded(file, RUNSD_CAPACITY__RESERVE_MEMORY=reserve).settings.host_memory_bytes
        for reserve in ("64Mi", "128Mi")
    )
    assert one - two == 64 * 2**20
    assert Settings().host_cpu_milli % 1000 == 0
    assert loaded(file, RUNSD_CAPACITY__RESERVE_MEMORY="1Pi").settings.host_memory_bytes == 0


def test_sizes_are_quantities_or_bytes_and_nothing_else(file: Path) -> None:
    retention = loaded(
        file, "[retention]\nmin_free_bytes = 1048576\nmax_log_bytes = '2Gi'"
    ).settings.retention
    assert (retention.free_bytes, retention.log_bytes) == (1048576, 2 * 1024**3)
    retention = loaded(file, RUNSD_RETENTION__MIN_FREE_BYTES="512Mi").settings.retention
    assert retention.free_bytes == 512 * 1024**2
    assert "retention.min_free_bytes" in refusal(file, "[retention]\nmin_free_bytes = 'much'")
    assert "retention.runs_days" in refusal(file, "[retention]\nruns_days = -1")


def test_a_user_that_cannot_be_is_refused(file: Path) -> None:
    assert loaded(file, '[containers]\nuser = "1000:1000"\n').settings.containers.user == "1000:1000"
    assert "containers.user" in refusal(file, '[containers]\nuser = "a b"\n')
    assert "containers.max_processes" in refusal(file, RUNSD_CONTAINERS__MAX_PROCESSES="3")
