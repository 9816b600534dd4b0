"""Telemetry under examination: whether runs can send it to this host."""

import psutil

from runsd.doctor.engine import Answers, local_socket
from runsd.doctor.finding import Finding, Subject, ok, warning


def telemetry(subject: Subject, said: Answers) -> Finding:
    """Say where the daemon would receive what runs tell by OpenTelemetry."""
    settings = subject.settings
    if not settings.telemetry.receive:
        return ok("telemetry", "what runs tell by OpenTelemetry is not received (telemetry.receive)")
    if local_socket(settings.engine.host) is None:
        return _missed(
            "the Engine is on another host, whose containers cannot reach this one",
            "run runsd beside the Engine",
        )
    if said.gateway is None and settings.network.isolate:
        return ok("telemetry", "what runs tell is received where runsd's own network has this host")
    if said.gateway is None:
        return _missed("the Engine's network bridge has no address of this host", "see network")
    if said.gateway not in _addresses():
        return _missed(
            f"no interface here has {said.gateway}, the address of this host for containers",
            "run runsd in the Engine's own network namespace (not with a rootless Engine)",
        )
    return ok("telemetry", f"what runs tell by OpenTelemetry is received at {said.gateway}")


def _missed(why: str, remedy: str) -> Finding:
    return warning(
        "telemetry", f"runs cannot tell their requests, tokens and metrics by OpenTelemetry: {why}", remedy
    )


def _addresses() -> set[str]:
    return {address.address for interface in psutil.net_if_addrs().values() for address in interface}
