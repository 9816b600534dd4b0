"""Acceptance: what this host takes on, whoever asks: a request, a schedule, a hook or a task that is saved.

What is accepted can be carried out as far as anybody can tell at that time.
"""

from collections.abc import Iterator, Sequence

from runsd_sdk.spec import RunSpec

from runsd import intake
from runsd.admission import Resources
from runsd.config import Settings
from runsd.errors import Location, Refused, SourceFailed
from runsd.sources.sources import Sources
from runsd.store.projects import Projects
from runsd.store.secrets import Secrets
from runsd.supervise.secret_files import SecretFiles


class Acceptance:
    """The one place where specs of runs are accepted. ``largest`` is the most that one run can get."""

    def __init__(
        self,
        settings: Settings,
        *,
        largest: Resources,
        projects: Projects,
        sources: Sources,
        secrets: Secrets,
        secret_files: SecretFiles,
    ) -> None:
        self.largest = largest
        self._settings = settings
        self._projects = projects
        self._sources = sources
        self._secrets = secrets
        self._secret_files = secret_files

    async def one(self, project: str, spec: RunSpec) -> RunSpec:
        """Return the spec with what this host and the project have for what was not said.

        Raises Refused, which names each field and its remedy, and SecretsLocked for secrets that cannot be
        opened.
        """
        (full,) = await self._accepted(project, [((), spec)])
        return full

    async def batch(self, project: str, specs: Sequence[RunSpec]) -> list[RunSpec]:
        """Return many specs so, or raise for one of them: fields are named as those of ``runs``."""
        return await self._accepted(project, [(("runs", n), spec) for n, spec in enumerate(specs)])

    async def _accepted(self, name: str, specs: Sequence[tuple[Location, RunSpec]]) -> list[RunSpec]:
        project = self._projects.get(name)
        full = [
            (at, intake.accept(spec, self._settings, self.largest, project=project, at=at))
            for at, spec in specs
        ]
        await self._check_sources(name, full)
        self._check_files(full)
        if names := {secret for _, spec in full for secret in spec.secret_names}:
            await self._secrets.check(name, names)
        return [spec for _, spec in full]

    async def _check_sources(self, project: str, specs: Sequence[tuple[Location, RunSpec]]) -> None:
        checked: set[str] = set()
        for at, spec in specs:
            if spec.source is None or (key := spec.source.model_dump_json()) in checked:
                continue
            checked.add(key)
            try:
                await self._sources.check(project, spec.source)
            except SourceFailed as failure:
                errors = [((*at, "source"), str(failure))]
                raise Refused(f"cannot accept this run: {failure}", errors=errors) from failure

    def _check_files(self, specs: Sequence[tuple[Location, RunSpec]]) -> None:
        trouble = self._secret_files.trouble
        if trouble is None:
            return
        errors = [
            ((*at, *field), f"{said}: {trouble}")
            for at, spec in specs
            for field, said in _needing_files(spec)
        ]
        if errors:
            raise Refused(f"cannot accept this run: {errors[0][1]}", errors=errors)


def _needing_files(spec: RunSpec) -> Iterator[tuple[Location, str]]:
    for n, use in enumerate(spec.secrets):
        if use.path is not None:
            yield ("secrets", n, "path"), "this host can give no secret as a file"
        elif spec.python is not None:
            yield ("secrets", n, "env"), "this host can give Python runs no secrets, which go by a file"
