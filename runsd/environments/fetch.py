"""Fetch: one file from where a lock says that it is, as uv would fetch it, and only if it is that one."""

import asyncio
import hashlib
import os
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from runsd_sdk.quantity import format_bytes

from runsd.environments.lock import File
from runsd.errors import DependenciesFailed

_MOST_BYTES = 1024**3
_TRIES = 3
_SILENT_S = 60.0
_CHUNK = 1024**2


async def fetch(file: File, goal: Path, places: Mapping[str, str], *, within_s: float) -> None:
    """Write a file of an index, or of a folder of this host that lists packages.

    ``places`` are uv's variables that say where packages come from (``Uv.places``): of their credentials
    those are given that are for the file's server. Raises DependenciesFailed when it cannot be had, or is
    another one.
    """
    title = urlsplit(file.url).path.rpartition("/")[2]
    try:
        async with asyncio.timeout(within_s):
            digest = await _fetch(file.url, goal, places)
    except TimeoutError as failure:
        raise DependenciesFailed(f"cannot fetch {title}: it takes longer than {within_s:g} s") from failure
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        raise DependenciesFailed(f"cannot fetch {title}: {failure or type(failure).__name__}") from failure
    if digest != file.sha256:
        raise DependenciesFailed(
            f"cannot use {title}: its content has changed, the SHA-256 is {digest} instead of {file.sha256}"
        )


async def _fetch(url: str, goal: Path, places: Mapping[str, str]) -> str:
    if urlsplit(url).scheme == "file":
        return await asyncio.to_thread(_copy, Path(unquote(urlsplit(url).path)), goal, places)
    for left in reversed(range(_TRIES)):
        try:
            return await _download(url, goal, places)
        except (
            aiohttp.ClientConnectionError,
            aiohttp.ClientPayloadError,
            aiohttp.ClientResponseError,
        ) as failure:
            final = isinstance(failure, aiohttp.ClientResponseError) and failure.status < 500
            if final or not left:
                raise
            await asyncio.sleep(1)
    raise AssertionError("unreachable")


def _copy(path: Path, goal: Path, places: Mapping[str, str]) -> str:
    """Copy from a folder that the host's administrator has named: an index may name any file of the host."""
    folders = [_folder(link) for link in places.get("UV_FIND_LINKS", "").split(",") if link]
    if path.resolve().parent not in [folder.resolve() for folder in folders if folder is not None]:
        raise ValueError(f"{path} is in no folder of environments.find_links")
    if path.stat().st_size > _MOST_BYTES:
        raise _too_large()
    content = path.read_bytes()
    goal.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _folder(link: str) -> Path | None:
    parts = urlsplit(link)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


async def _download(url: str, goal: Path, places: Mapping[str, str]) -> str:
    digest, size = hashlib.sha256(), 0
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENT_S, sock_read=_SILENT_S)
    tls = await asyncio.to_thread(_tls, urlsplit(url).hostname or "")
    async with (
        aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(ssl=tls), auto_decompress=False,
            headers={"Accept-Encoding": "identity", **_credentials(url, places)},
        ) as session,
        session.get(url, proxy=_proxy(url), raise_for_status=True) as answer,
    ):  # fmt: skip
        with goal.open("wb") as content:
            async for chunk in answer.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise _too_large()
                digest.update(chunk)
                await asyncio.to_thread(content.write, chunk)
    return digest.hexdigest()


def _credentials(url: str, places: Mapping[str, str]) -> dict[str, str]:
    """Return in a header what an index of the same server is asked with."""
    wanted = urlsplit(url)
    listed = [places.get("UV_DEFAULT_INDEX", ""), *places.get("UV_INDEX", "").split()]
    for entry in [*listed, *places.get("UV_FIND_LINKS", "").split(",")]:
        name, _, address = entry.rpartition("=") if re.match(r"[\w.-]+=", entry) else ("", "", entry)
        parts = urlsplit(address)
        if (parts.scheme, parts.hostname, parts.port) != (wanted.scheme, wanted.hostname, wanted.port):
            continue
        variable = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
        user = parts.username or os.environ.get(f"{variable}_USERNAME")
        password = parts.password or os.environ.get(f"{variable}_PASSWORD")
        if user or password:
            both = f"{unquote(user or '')}:{unquote(password or '')}".encode()
            return {"Authorization": f"Basic {b64encode(both).decode()}"}
    return {}


def _proxy(url: str) -> str | None:
    parts, proxies = urlsplit(url), getproxies()
    if proxy_bypass(parts.netloc):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _tls(host: str) -> ssl.SSLContext | bool:
    insecure = {entry.partition(":")[0] for entry in os.environ.get("UV_INSECURE_HOST", "").split()}
    if host in insecure:
        return False
    tls = ssl.create_default_context()
    if certificate := os.environ.get("SSL_CLIENT_CERT"):
        tls.load_cert_chain(certificate)
    return tls


def _too_large() -> ValueError:
    return ValueError(f"it has more than {format_bytes(_MOST_BYTES)}")
