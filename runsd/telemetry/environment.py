"""The environment of a container: the standard OTEL_* variables that lead an instrumented program to runsd.

Source: specification/configuration/sdk-environment-variables.md and specification/protocol/exporter.md of
open-telemetry/opentelemetry-specification. The values in OTEL_EXPORTER_OTLP_HEADERS are percent-encoded.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

_EXPORTER = "OTEL_EXPORTER_OTLP_"
# Every exporter sends what is left when its program ends; what a kill may cost is at most this old.
_INTERVALS: Final = {
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    "OTEL_BLRP_SCHEDULE_DELAY": "1000",
}


def variables(
    run_id: str, attempt: int, *, name: str | None, endpoint: str, token: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Return what is to be added to the variables that a container is given; none of those is changed.

    A program that is given a setting of the exporter is led elsewhere: it gets nothing, least of all a token.
    """
    if any(key.startswith(_EXPORTER) for key in given):
        return {}
    added = {
        f"{_EXPORTER}ENDPOINT": endpoint,
        f"{_EXPORTER}PROTOCOL": "http/protobuf",
        f"{_EXPORTER}HEADERS": f"Authorization={quote(f'Bearer {token}')}",
        "OTEL_RESOURCE_ATTRIBUTES": f"runsd.run.id={run_id},runsd.run.attempt={attempt}",
        **_INTERVALS,
    }
    if "service.name" not in given.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        added["OTEL_SERVICE_NAME"] = name or run_id
    return {key: value for key, value in added.items() if key not in given}
