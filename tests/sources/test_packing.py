"""Packing: what git tracks or would add, as the same bytes each time, with links that stay inside."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from runsd_sdk.errors import InvalidFolder
from runsd_sdk.packing import listed, pack

from runsd.clock import now_us
from runsd.sources.uploads import Uploads
from tests.sources.repository import git

# files, and which of them are packed
G = ".gitignore"
IGNORING: list[tuple[str, dict[str, str], set[str]]] = [
    ("nothing ignored", {"a.py": "", "b/c.py": ""}, {"a.py", "b/c.py"}),
    ("by name", {G: "*.log\n", "a.log": "", "b/c.log": "", "b/c": ""}, {G, "b/c"}),
    ("by place", {G: "/a\n", "a": "", "b/a": ""}, {G, "b/a"}),
    ("directories", {G: "data/\n", "data/x": "", "b/data/y": "", "c/data": ""}, {G, "c/data"}),
    ("exceptions", {G: "*.csv\n!keep.csv\n", "a.csv": "", "keep.csv": ""}, {G, "keep.csv"}),
    ("no exception below what is left out", {G: "d/\n!d/x\n", "d/x": ""}, {G}),
    ("exception below a pattern", {G: "d/*\n!d/x\n", "d/x": "", "d/y": ""}, {G, "d/x"}),
    ("nested", {"b/.gitignore": "x\n", "x": "", "b/x": "", "b/c/x": ""}, {"b/.gitignore", "x"}),
    ("nested exception", {G: "x\n", "b/.gitignore": "!x\n", "x": "", "b/x": ""},
     {G, "b/.gitignore", "b/x"}),
    ("two stars", {G: "a/**/z\n", "a/z": "", "a/b/c/z": "", "z": ""}, {G, "z"}),
    ("comments and escapes", {G: "# x\n\\#y\n\\!z\n", "x": "", "#y": "", "!z": ""}, {G, "x"}),
    ("classes", {G: "[ab].t\n", "a.t": "", "c.t": ""}, {G, "c.t"}),
    ("always left out", {".venv/x": "", "b/.venv/y": "", "__pycache__/z": "", "b/__pycache__/w": "", "a": ""},
     {"a"}),
    ("odd names", {"ü": "", "a b": "", "b\n": "", '"q"': "", "-x": ""}, {"ü", "a b", "b\n", '"q"', "-x"}),
]  # fmt: skip


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def opened(root: Path, **options: int) -> dict[str, tarfile.TarInfo]:
    with pack(root, **options) as archive:
        whole = b"".join(archive.pieces())
        assert len(whole) == archive.size_bytes
        assert b"".join(archive.pieces()) == whole, "it can be sent again"
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        return {member.name: member for member in tar}


@pytest.mark.parametrize("inside", ["a repository", "no repository", "a subdirectory"])
@pytest.mark.parametrize(
    ("files", "kept"), [case[1:] for case in IGNORING], ids=[case[0] for case in IGNORING]
)
def test_what_git_ignores_is_left_out(
    tmp_path: Path, inside: str, files: dict[str, str], kept: set[str]
) -> None:
    root = tmp_path / "a" / "b"
    put(root, files)
    if inside != "no repository":
        git(root if inside == "a repository" else tmp_path, "init", "--quiet")
        git(root, "add", "--all", ".")
        added = set(git(root, "ls-files", "-z").rstrip("\0").split("\0"))
        git(root, "read-tree", "--empty")
        never = {name for name in added if ".venv" in name or "__pycache__" in name}
        assert kept == added - never, "the table itself is wrong"
    assert opened(root).keys() == kept


def test_rules_from_above_and_from_the_repository_itself_count(tmp_path: Path) -> None:
    root = tmp_path / "below"
    put(tmp_path, {".gitignore": "*.a\n", "below/x.a": "", "below/x.b": "", "below/x.c": "", "beside": ""})
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".git" / "info" / "exclude").write_text("*.b\n")
    assert opened(root).keys() == {"x.c"}


def test_what_is_tracked_is_packed_although_it_is_ignored(tmp_path: Path) -> None:
    put(tmp_path, {".gitignore": "*.csv\n", "model.csv": "", "other.csv": "", "gone": ""})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--force", "model.csv", "gone")
    (tmp_path / "gone").unlink()
    assert opened(tmp_path).keys() == {".gitignore", "model.csv"}


def test_repositories_inside_are_packed_by_their_own_rules(tmp_path: Path) -> None:
    put(tmp_path, {"a": "", "lib/.gitignore": "x\n", "lib/x": "", "lib/y": "", "sub/z": ""})
    for place in (tmp_path, tmp_path / "lib", tmp_path / "sub"):
        git(place, "init", "--quiet")
    git(tmp_path / "sub", "add", "--all")
    git(tmp_path / "sub", "commit", "--quiet", "--message", "x")
    git(tmp_path, "add", "sub")  # as a submodule is
    assert opened(tmp_path).keys() == {"a", "lib/.gitignore", "lib/y", "sub/z"}


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    wholes = []
    for n, order in enumerate(["abc", "cba"]):
        root = tmp_path / str(n)
        for name in order:
            put(root, {name: name})
            os.utime(root / name, (1000 + n, 2000 + n))
        (root / "run").write_text("#!")
        (root / "run").chmod(0o700 if n else 0o755)
        (root / "a").chmod(0o600 if n else 0o664)
        with pack(root) as archive:
            wholes.append(b"".join(archive.pieces()))
    assert wholes[0] == wholes[1]
    members = opened(tmp_path / "0")
    assert (members["run"].mode, members["a"].mode) == (0o755, 0o644)
    assert members["a"].mtime > 315_532_800, "zip files know no earlier time, and wheels are zip files"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "d/../../outside", "d/..", ".."])
def test_a_link_that_leads_out_is_refused_by_name(tmp_path: Path, target: str) -> None:
    put(tmp_path / "in", {"d/a": ""})
    (tmp_path / "in" / "link").symlink_to(target)
    with pytest.raises(InvalidFolder, match="the link link leads to"):
        pack(tmp_path / "in")


async def test_links_inside_are_kept_and_the_daemon_takes_them(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(root, {"d/a": "", "e/b": "", "h": ""})
    (root / "e" / "up").symlink_to("../d/a")
    (root / "folder").symlink_to("d")
    (root / "dangling").symlink_to("nowhere")
    os.link(root / "h", root / "hard")
    members = opened(root)
    assert members["e/up"].linkname == "../d/a"
    assert members["folder"].issym()
    assert "folder/a" not in members
    assert members.keys() == {"d/a", "e/b", "e/up", "folder", "dangling", "h", "hard"}
    uploads = Uploads(tmp_path / "uploads", max_bytes=1024**2, clock=now_us)

    async def sent():  # type: ignore[no-untyped-def]
        with pack(root) as archive:
            for piece in archive.pieces():
                yield piece

    assert (await uploads.store("default", sent())).files == len(members)


def test_a_tracked_file_whose_directory_became_a_link_is_not_packed_twice(tmp_path: Path) -> None:
    put(tmp_path, {"d/a": "", "other/a": ""})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    (tmp_path / "d" / "a").unlink()
    (tmp_path / "d").rmdir()
    (tmp_path / "d").symlink_to("other")
    assert opened(tmp_path).keys() == {"d", "other/a"}


def test_too_much_names_the_biggest_files(tmp_path: Path) -> None:
    put(tmp_path, {"small": "x", "data/big.bin": "x" * 50_000, "model": "x" * 20_000})
    with pytest.raises(InvalidFolder) as caught:
        pack(tmp_path, max_bytes=10_000)
    assert "the biggest: data/big.bin (" in str(caught.value)
    assert ".gitignore" in str(caught.value)
    assert len(opened(tmp_path, max_bytes=100_000)) == 3


@pytest.mark.parametrize("what", ["nothing", "a file", "no files"])
def test_what_cannot_be_packed_says_why(tmp_path: Path, what: str) -> None:
    root = tmp_path / "in"
    if what == "a file":
        root.write_text("")
    elif what == "no files":
        (root / "empty").mkdir(parents=True)
    with pytest.raises(InvalidFolder, match=r"it is no directory|it has no files"):
        pack(root)


def test_without_git_nothing_is_packed_that_git_might_ignore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    put(tmp_path / "in", {"a": "", "b/c": "", "__pycache__/x": ""})
    (tmp_path / "in" / "l").symlink_to("b")
    assert listed(tmp_path / "in") == ["a", "b/c", "l"]
    put(tmp_path / "in", {"b/.gitignore": "c\n"})
    with pytest.raises(InvalidFolder, match="install it"):
        pack(tmp_path / "in")


def test_what_git_refuses_to_read_is_said_in_its_words(tmp_path: Path) -> None:
    put(tmp_path, {"a": "", ".git/HEAD": "nonsense"})
    with pytest.raises(InvalidFolder, match="git cannot list its files"):
        pack(tmp_path)
