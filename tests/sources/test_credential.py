"""Secrets that open private repositories: used where they belong, seen nowhere, shared with nobody."""

import os
import shlex
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runsd.errors import SourceFailed
from runsd.sources.address import parse
from runsd.sources.credential import Credential, key_file, opened
from runsd.sources.mirrors import Mirrors
from tests.sources.repository import Repository, served_as_files

HUSH = "correct-horse-battery-staple"
TOKEN = Credential("one", "GIT", 1, HUSH)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabcd\n-----END OPENSSH PRIVATE KEY-----"
# A stand-in for the way to the other host: the key is judged by OpenSSH itself, then git's server is here.
WAY = """#!/bin/sh
while [ "$1" != -i ]; do shift; done
ssh-keygen -y -P '' -f "$2" >>"$0.seen" || exit 255
exec git upload-pack "${0%/*}/private"
"""


@pytest.mark.parametrize(
    ("url", "value", "login"),
    [
        ("https://host/a", HUSH, ("x-access-token", HUSH)),
        ("https://host/a", f"{HUSH}\n", ("x-access-token", HUSH)),
        ("https://host/a", f"bot:{HUSH}", ("bot", HUSH)),
        ("https://bot@host/a", HUSH, ("bot", HUSH)),
        ("https://bot@host/a", f"bot:{HUSH}", ("bot", HUSH)),
        ("https://bot@host/a", f"x:{HUSH}", ("bot", f"x:{HUSH}")),
        ("http://127.0.0.1:1/a", HUSH, ("x-access-token", HUSH)),
        ("http://localhost/a", HUSH, ("x-access-token", HUSH)),
    ],
)
def test_a_token_is_a_login(url: str, value: str, login: tuple[str, str]) -> None:
    address = opened(parse(url), replace(TOKEN, value=value))
    assert (address.username, address.password) == login
    assert HUSH not in repr(address)
    assert HUSH not in repr(TOKEN)
    assert HUSH not in address.url


@pytest.mark.parametrize(
    ("url", "value", "why"),
    [
        ("http://host/a", HUSH, "seen by others over http"),
        ("http://127.example.org/a", HUSH, "seen by others over http"),
        ("git://host/a", HUSH, "over git"),
        ("/srv/a", HUSH, "over file"),
        ("https://bot:password@host/a", HUSH, "leave one of them out"),
        ("ssh://git@host/a", HUSH, "no private key"),
        ("git@host:a", HUSH, "no private key"),
        ("https://host/a", KEY, "neither a token nor user:token"),
        ("https://host/a", f":{HUSH}", "neither a token nor user:token"),
        ("https://host/a", f"{HUSH}:", "neither a token nor user:token"),
    ],
)
def test_what_does_not_fit_is_named_and_not_repeated(url: str, value: str, why: str) -> None:
    with pytest.raises(SourceFailed, match=why) as caught:
        opened(parse(url, [Path("/srv")]), replace(TOKEN, value=value))
    assert HUSH not in str(caught.value)


def test_a_mirror_is_of_one_secret_of_one_project() -> None:
    def name(credential: Credential | None) -> str:
        return opened(parse("https://host/a"), credential).name

    others = [None, TOKEN, replace(TOKEN, project="two"), replace(TOKEN, name="GIT2")]
    assert len({name(one) for one in others}) == 4
    assert name(TOKEN) == name(replace(TOKEN, version=2, value="other"))


def test_a_key_is_a_file_that_nobody_else_reads_and_that_is_soon_gone() -> None:
    with key_file(opened(parse("git@host:a"), replace(TOKEN, value=KEY))) as place:
        found = Path(place).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert subprocess.check_output(["cat", place], text=True) == f"{KEY}\n"
    assert not Path(place).exists()


async def test_a_token_opens_a_repository_and_is_in_no_command_line_file_or_error(
    mirrors: Mirrors, tmp_path: Path
) -> None:
    seen: list[str] = []

    def look() -> None:
        for process in psutil.Process().children(recursive=True):
            seen.extend(process.cmdline())

    repository = Repository(tmp_path / "www" / "private")
    commit = repository.commit(a="1")
    repository.git("update-server-info")
    folder = tmp_path / "www"
    with served_as_files(folder, login=f"x-access-token:{HUSH}", asked=look) as (port, heard):
        url = f"http://127.0.0.1:{port}/private/.git"
        assert await mirrors.resolve(url, credential=TOKEN) == commit
        assert await mirrors.file(url, commit, "a", most_bytes=9, credential=TOKEN) == b"1"
        wrong = replace(TOKEN, version=2, value="wrong-horse")
        with pytest.raises(SourceFailed, match="name a secret") as caught:
            await mirrors.resolve(url, "main", credential=wrong)
        assert "wrong-horse" not in str(caught.value)
        for other in (replace(TOKEN, project="two", value="guess"), None):
            with pytest.raises(SourceFailed, match="asks for a login"):
                await mirrors.resolve(url, commit, credential=other)
        asked = len(heard)
        assert await mirrors.resolve(url, commit, credential=TOKEN) == commit
        assert len(heard) == asked, "what is here needs nobody"
        with pytest.raises(SourceFailed, match="seen by others"):
            mirrors.check("http://example.org/a", private=True)
    assert any("remote-http" in word for word in seen)
    assert not [word for word in seen if HUSH in word or "horse" in word]
    kept = [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    assert not [path for path in kept if HUSH.encode() in path.read_bytes()]


@pytest.mark.needs("openssh")
async def test_a_key_opens_a_repository_by_the_way_that_the_operator_has_set(tmp_path: Path) -> None:
    commit = Repository(tmp_path / "private").commit(a="1")
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", tmp_path / "key"], check=True)
    way, settings = tmp_path / "way", tmp_path / "settings"
    way.write_text(WAY)
    way.chmod(0o755)
    subprocess.run(
        ["git", "config", "--file", settings, "core.sshCommand", f"{shlex.quote(str(way))} -4"], check=True
    )
    mirrors = Mirrors(tmp_path / "mirrors", timeout_s=60, config=settings)
    opening = replace(TOKEN, value=(tmp_path / "key").read_text().strip())
    assert await mirrors.resolve("git@host:private", credential=opening) == commit
    public = (tmp_path / "key.pub").read_text().split()[1]
    assert public in (tmp_path / "way.seen").read_text()
    middle = opening.value.splitlines()[1]
    for folder, _, files in os.walk(tmp_path / "mirrors"):
        assert not [name for name in files if middle.encode() in (Path(folder) / name).read_bytes()]
