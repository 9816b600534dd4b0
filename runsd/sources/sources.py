"""A run's source, wherever it comes from: the files of a commit, or those that were uploaded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runsd_sdk.python import GitSource, SourceSpec

from runsd.errors import SourceFailed, Unknown
from runsd.sources.credential import Credential
from runsd.sources.mirrors import Mirrors
from runsd.sources.uploads import Uploads

_FILE_BYTES = 16 * 1024**2


class Sources:
    """Mirrors and uploads behind one door. Whatever cannot be had raises SourceFailed."""

    def __init__(self, mirrors: Mirrors, uploads: Uploads) -> None:
        self._mirrors = mirrors
        self._uploads = uploads

    async def check(self, project: str, source: SourceSpec) -> None:
        """Raise SourceFailed for what a project can never have; nobody is asked for that."""
        if source.git is not None:
            self._mirrors.check(source.git.url, source.git.ref, private=source.git.secret is not None)
        elif not await self._uploads.exists(project, source.upload or ""):
            raise SourceFailed(
                f"there is no source {source.upload}, or no longer; send it (again) with POST /v1/sources"
            )

    async def commit(self, git: GitSource, credential: Credential | None) -> str:
        """Return which commit a branch, a tag, or the beginning of a commit's id is now."""
        return await self._mirrors.resolve(git.url, git.ref, credential=credential)

    @asynccontextmanager
    async def files(
        self, source: SourceSpec, commit: str | None, credential: Credential | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Lend all files as a tar archive; of a repository those of the commit."""
        if source.git is not None:
            async with self._mirrors.export(source.git.url, commit or "", credential=credential) as pieces:
                yield pieces
            return
        try:
            async with self._uploads.open(source.upload or "") as pieces:
                yield pieces
        except Unknown as failure:
            raise SourceFailed(str(failure)) from failure

    async def file(
        self, source: SourceSpec, commit: str | None, path: str, credential: Credential | None
    ) -> bytes | None:
        """Return one file, or None where there is none of that name."""
        if source.git is not None:
            return await self._mirrors.file(
                source.git.url, commit or "", path, most_bytes=_FILE_BYTES, credential=credential
            )
        try:
            return await self._uploads.file(source.upload or "", path, most_bytes=_FILE_BYTES)
        except Unknown as failure:
            raise SourceFailed(str(failure)) from failure
