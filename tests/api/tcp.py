"""A daemon's TCP listener as its clients meet it, each from an address of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx2

from tests.daemon.harness import Daemon, eventually

ANY_PORT = {"RUNSD_TCP__LISTEN": "127.0.0.1:0"}


def address(daemon: Daemon) -> str:
    """Return where a daemon listens, as it has last said, ``127.0.0.1:12345``; it has a key."""
    said: list[str] = []

    def told() -> bool:
        said[:] = [line["address"] for line in daemon.logged() if line.get("event") == "tcp.listening"]
        return bool(said)

    assert eventually(told)
    return said[-1]


def ask(
    where: str,
    method: str,
    path: str,
    *,
    token: str | None = None,
    project: str | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    source: str = "127.0.0.1",
) -> httpx2.Response:
    """Make one request from one of the host's own addresses."""
    given = dict(headers or {})
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    if project is not None:
        given["Runsd-Project"] = project
    transport = httpx2.HTTPTransport(local_address=source, verify=False)  # loads no certificates
    with httpx2.Client(transport=transport, timeout=60) as client:
        return client.request(method, f"http://{where}{path}", headers=given, json=json)


def made(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this host's own address, in the place of one that is there."""
    certificate, private_key = folder / "certificate.pem", folder / "key.pem"
    words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=runsd", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-out", str(certificate), "-keyout", str(private_key))
    subprocess.run(["openssl", "req", "-x509", *words, *names, *files], check=True, capture_output=True)
    return certificate, private_key
