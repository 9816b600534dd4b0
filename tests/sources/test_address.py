"""Addresses and refs: untrusted text, of which nothing is an option, and nothing secret is ever shown."""

from pathlib import Path

import pytest

from runsd.errors import SourceFailed
from runsd.sources.address import check_ref, parse
from runsd.sources.trouble import explained

BAD = [
    "", "x", "repo.git", "relative/path", "~/repo", "https://", "https:///path", "https://a b/c", "https://a\nb/c",
    "ext::sh -c id", "fd::17", "ftp://host/x", "https::http://x/y", "file://host/etc", "file:etc",
    "-u", "--upload-pack=id", "ssh://-oProxyCommand=id/x", "-oProxyCommand=id:x", "a@-oProxyCommand=id:x",
    "ssh://user:secret@host/x", "git://-x/y", "https://host:port/x", "https://host:99999999/x",
    "https://user%0a:p@host/x", "https://user:p%0Ahost=evil@host/x", "git@host:-option", "https://[::1/x",
    f"https://host/{'x' * 3000}",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SourceFailed) as caught:
        parse(text)
    assert "secret" not in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("https://github.com/a/b.git",) * 3,
        ("http://localhost:8080/a/b",) * 3,
        ("https://[::1]:8443/a",) * 3,
        ("git://host/a",) * 3,
        ("ssh://git@host:2222/a/b",) * 3,
        ("git@github.com:a/b.git",) * 3,
        ("https://user:secret@host/a", "https://host/a", "https://host/a"),
        ("https://secret@host:1/a", "https://host:1/a", "https://host:1/a"),
        ("https://host/a?private_token=secret", "https://host/a?private_token=secret", "https://host/a?…"),
    ],
)
def test_what_git_is_given_and_what_is_shown(text: str, url: str, shown: str) -> None:
    address = parse(text)
    assert (address.url, address.shown) == (url, shown)


def test_credentials_are_read_as_they_were_written_and_make_a_mirror_of_their_own() -> None:
    one, other, none = (parse(f"https://{who}host/a") for who in ("us%40er:p%3Aw@", "us%40er:px@", ""))
    assert (one.username, one.password, one.site) == ("us@er", "p:w", "https://host")
    assert len({one.name, other.name, none.name}) == 3


def test_only_the_directories_that_were_named_are_read(tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "allowed-not"
    for place in (allowed, other):
        (place / "repo").mkdir(parents=True)
    (allowed / "way out").symlink_to(other)
    (allowed / "way-out").symlink_to(other)
    assert parse(f"{allowed}/repo", [allowed]).url == f"{allowed}/repo"
    assert parse(f"file://{allowed}/repo", [allowed]).url == f"{allowed}/repo"
    for path in (f"{other}/repo", f"{allowed}/../allowed-not/repo", f"{allowed}/way-out/repo", "/etc"):
        for text in (path, f"file://{path}"):
            with pytest.raises(SourceFailed, match=r"sources\.local"):
                parse(text, [allowed])
    with pytest.raises(SourceFailed, match=r"sources\.local"):
        parse(f"{allowed}/repo")


@pytest.mark.parametrize(
    "ref",
    ["main", "feature/x", "v1.0-rc1", "refs/pull/1/head", "a" * 40, "A" * 40, "deadbee", "übung", "a@b"],
)
def test_what_is_a_ref(ref: str) -> None:
    assert check_ref(ref).lower() == ref.lower()


@pytest.mark.parametrize(
    "ref",
    ["", "-x", "--all", "a b", "a..b", "a~1", "a^", "a:b", "*", "a?", "[a]", "a\\b", "a@{1}", "@",
     "a.lock", "a/", "a.", "a//b", "a/.b", "a\nb", "x" * 256],
)  # fmt: skip
def test_what_is_none(ref: str) -> None:
    with pytest.raises(SourceFailed, match="write the name of a branch or tag, or a commit"):
        check_ref(ref)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "asks for a login"),
        ("remote: Invalid username or password.\nfatal: Authentication failed for 'https://h/a/'", "a login"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", "asks for a login"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", "asks for a login"),
        ("remote: Repository not found.\nfatal: repository 'https://h/a/' not found", "no such repository"),
        ("fatal: 'x' does not appear to be a git repository", "no such repository"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "cannot be reached"),
        ("ssh: connect to host h port 22: Connection refused\nfatal: Could not", "cannot be reached"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "known_hosts"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: expired", "is not trusted"),
        ("error: RPC failed; curl 56 ...\nfatal: early EOF", "the connection broke"),
        ("error: file write error: No space left on device\nfatal: cannot store", "make room"),
        ("fatal: detected dubious ownership in repository at '/x'", "sources.git_config"),
        ("fatal: transport 'file' not allowed", "not allowed"),
        ("fatal: something new happened", "something new happened"),
        ("", "did not say why"),
    ],
)
def test_what_git_says_is_explained(said: str, meant: str) -> None:
    sentence = str(explained("find 'main'", said, parse("https://user:topsecret@h/a")))
    assert sentence.startswith("cannot find 'main' of https://h/a: ")
    assert meant in sentence


def test_nothing_secret_is_left_in_what_git_says() -> None:
    said = "fatal: unable to access 'https://user:topsecret@h/a?t=1/': topsecret is not the password of https://h/a?t=1"
    sentence = str(explained("fetch", said, parse("https://user:topsecret@h/a?t=1")))
    assert "topsecret" not in sentence
    assert "t=1" not in sentence
    assert "user" not in sentence
    assert len(str(explained("fetch", "fatal: " + "x" * 10_000, parse("https://h/a")))) < 500
