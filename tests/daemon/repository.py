"""A git repository for tests, made and changed by the real git."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def git(folder: Path, *words: str) -> str:
    """Type a git command, and return what it prints."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def made(folder: Path, files: Mapping[str, str] | None = None) -> str:
    """Make a repository of what is in a folder, and of these files, and return its first commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder, files or {})


def commit(folder: Path, files: Mapping[str, str]) -> str:
    """Commit all there is, with these files, and return the commit."""
    for path, text in files.items():
        (folder / path).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a change", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")
