"""What a person sees of the settings: each with its source, and the unknown refused by name."""

from pathlib import Path

import pytest

from tests.service.launch import run


def test_print_config_shows_every_setting_with_value_source_and_default(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[capacity]\nreserve_memory = "1Gi"\n[engine]\nhost = "unix:///from/file.sock"\n')
    flag = "unix:///from/flag.sock"
    more = {"RUNSD_DEFAULTS__TIMEOUT_SECONDS": "60"}
    flags = ("--docker-host", flag, "--listen", "127.0.0.1:8686")
    shown = run("serve", "--print-config", "--config", file, *flags, **more)
    assert shown.returncode == 0
    lines = dict(line.split(" = ", 1) for line in shown.stdout.splitlines())
    assert lines["engine.host"].startswith(f'"{flag}"  # flag for engine.host; default')
    assert lines["tcp.listen"] == '"127.0.0.1:8686"  # flag for tcp.listen; default null'
    assert lines["capacity.reserve_memory"] == f'"1Gi"  # {file}; default "512Mi"'
    assert lines["defaults.timeout_seconds"] == "60  # RUNSD_DEFAULTS__TIMEOUT_SECONDS; default 3600"
    assert lines["billing.free_vcpu_seconds"] == "100000  # default; default 100000"


@pytest.mark.parametrize(
    ("text", "more", "named"),
    [
        ('[engine]\nhots = "x"\n', {}, "'engine.hots'"),
        ("[motor]\npower = 1\n", {}, "'motor.power'"),
        ("", {"RUNSD_LOGS__MAX_BYTE": "1"}, "'logs.max_byte' in RUNSD_LOGS__MAX_BYTE"),
        ("[logs\n", {}, "cannot read the configuration"),
        ("[logs]\nmax_bytes_per_attempt = 1\n", {}, "cannot use logs.max_bytes_per_attempt from"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    tmp_path: Path, text: str, more: dict[str, str], named: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    refused = run("serve", "--print-config", "--config", file, **more)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr
