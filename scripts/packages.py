"""Packages of the distribution: installed on this machine, or only unpacked. Standard library only."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

TOP = ("bin", "lib", "lib64", "sbin")
TARGETS = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"
KEYRINGS = Path("/usr/share/keyrings")


class CannotDo(SystemExit):
    """What could not be done and why, in one sentence for a person."""

    def __init__(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)
        super().__init__(1)


def root_prefix() -> list[str] | None:
    """Return what to put before a command that needs root, or None where nobody can be root."""
    if os.geteuid() == 0:
        return []
    return ["sudo"] if shutil.which("sudo") else None


def install(names: Sequence[str], *, purpose: str) -> None:
    """Install packages with apt-get, refreshing its lists only when they turn out to be stale."""
    prefix = root_prefix()
    if prefix is None:
        raise CannotDo(
            f"cannot {purpose}: {', '.join(names)} would have to be installed, "
            "and there is neither root nor sudo"
        )
    print(f"installing {', '.join(names)} to {purpose} …", file=sys.stderr, flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
    ask = [*apt, "-o", "DPkg::Lock::Timeout=120", "install"]
    ask += ["--no-install-recommends", "--no-remove", *names]  # never at the cost of what is there
    if _quietly(ask) is None:
        return
    _quietly([*apt, "update"])
    failure = _quietly(ask)
    if failure is not None:
        raise CannotDo(f"{failure}\ncannot {purpose}: apt-get could not install {', '.join(names)}")


def merge(
    names: Sequence[str],
    archive: tarfile.TarFile,
    *,
    without: Sequence[str] = (),
    sources: str | None = None,
) -> None:
    """Add the files of these packages, and of all that they depend on, to an archive. Needs no root.

    Maintainer scripts do not run. Paths that start with one of ``without`` are left out. ``sources`` are
    lines as of sources.list(5), used in place of this machine's own.
    """
    for name in TOP:  # Debian's merged /usr: packages may still name both places
        link = tarfile.TarInfo(name)
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, f"usr/{name}", 0o777
        archive.addfile(link)
    seen = {"", ".", *TOP}
    with tempfile.TemporaryDirectory(prefix="runsd-packages-") as folder:
        ask = ["install", "--download-only", "--no-install-recommends", *names]
        for package in _fetch(ask, Path(folder), sources=sources):
            for member, content in _files(package):
                member.name = _merged(member.name)
                if member.islnk():
                    member.linkname = _merged(member.linkname)
                if member.name not in seen and not member.name.startswith(tuple(without)):
                    seen.add(member.name)
                    archive.addfile(member, content)


def unpack(name: str, into: Path) -> None:
    """Put the files of one package, without what it depends on, into a folder. Needs no root."""
    with tempfile.TemporaryDirectory(prefix="runsd-packages-") as folder:
        for package in _fetch(["download", name], Path(folder)):
            subprocess.run(["dpkg-deb", "--extract", str(package), str(into)], check=True)


def sources(suite: str) -> str:
    """Return the sources.list(5) of a release, from the archive that this machine uses."""
    ask = ["apt-get", "indextargets", "--format", TARGETS, "Created-By: Packages"]
    known = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True).stdout
    archive = debian(known)
    if archive is None:  # apt-get learns whose an archive is when it fetches its lists
        subprocess.run(["apt-get", "-qq", "update"], check=False)
        archive = debian(subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True).stdout)
    keyring = next(KEYRINGS.glob("debian-archive-keyring.[gp]*"), None)
    if archive is None or keyring is None:
        raise CannotDo(
            f"cannot get packages of {suite}: apt-get here does not use Debian's archive; repeat on Debian"
        )
    return f"deb [signed-by={keyring}] {archive} {suite} main\n"


def debian(targets: str) -> str | None:
    """Return the address of Debian's main archive among the targets of apt-get, if it is there."""
    for target in targets.splitlines():
        address, *facts = target.split("|")
        if facts == ["Debian", "Debian", "main"]:
            return address
    return None


def _fetch(ask: Sequence[str], folder: Path, *, sources: str | None = None) -> list[Path]:
    """Let apt-get download packages into a folder, as if nothing were installed; no root needed."""
    archives = folder / "archives"
    for needed in (archives / "partial", folder / "lists" / "partial"):
        needed.mkdir(parents=True)
    (folder / "status").touch()
    apt = ["apt-get", "-qq", "-y", "-oDebug::NoLocking=1", "-oAPT::Sandbox::User=root"]
    apt += [f"-oDir::State::status={folder / 'status'}", f"-oDir::Cache={folder}"]
    if sources is not None:
        (folder / "sources").write_text(sources)
        apt += [f"-oDir::Etc::sourcelist={folder / 'sources'}", "-oDir::Etc::sourceparts=/dev/null"]
    ready = sources is None and _quietly([*apt, *ask], cwd=archives) is None
    if not ready:  # other sources, or no lists on this machine, or old ones
        apt += [f"-oDir::State::lists={folder / 'lists'}"]
        failure = _quietly([*apt, "update"]) or _quietly([*apt, *ask], cwd=archives)
        if failure is not None:
            raise CannotDo(f"{failure}\ncannot download {ask[-1]} from the distribution's archive")
    return sorted(archives.glob("*.deb"))


def _files(package: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Walk the files of a package without unpacking it to disk."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            for member in files:
                yield member, files.extractfile(member) if member.isreg() else None
        process.stdout.read()  # padding: a reader that leaves early would end dpkg-deb by SIGPIPE
    if process.returncode:
        raise CannotDo(f"cannot read {package.name}: dpkg-deb ended with {process.returncode}")


def _merged(name: str) -> str:
    """Name a file of a package by its place under /usr, without leading dot or trailing slash."""
    path = name.removeprefix("./").rstrip("/")
    return f"usr/{path}" if path.partition("/")[0] in TOP and "/" in path else path


def _quietly(command: Sequence[str], *, cwd: Path | None = None) -> str | None:
    """Run a command; return the end of what it said if it failed, else None."""
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return None if done.returncode == 0 else "\n".join(done.stdout.splitlines()[-15:])
