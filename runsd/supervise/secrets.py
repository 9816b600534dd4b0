"""The secrets of one attempt: opened when needed, put where its program looks, covered in what it writes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runsd_sdk.run import Reason, RunProblem
from runsd_sdk.secret import PLACE

from runsd.engine.port import Bind
from runsd.errors import SecretsLocked
from runsd.mask import Mask
from runsd.run import Outcome
from runsd.sources.credential import Credential
from runsd.store.attempts import Work
from runsd.store.ended import Ended
from runsd.store.returned import Returned
from runsd.store.secrets import Given
from runsd.supervise.tools import NotStarted, Tools

PROGRAM_PLACE = "/run/runsd/secrets"
"""Where a Python run has the file of its secret variables."""

VARIABLES = "variables.json"

_FILES, _PROGRAM = "files", "program"


class AttemptSecrets:
    """What one attempt was given. Of a run without secrets this is nothing, and costs nothing."""

    def __init__(self, work: Work, name: str, tools: Tools) -> None:
        self.locked: str | None = None
        """Why they cannot be opened, once that was tried in vain."""
        self._work = work
        self._name = name
        self._tools = tools
        self._any = bool(work.spec.secret_names)
        self._given: Mapping[str, Given] | None = None
        self._mask: Mask | None = None
        self._laid_out: Path | None = None

    async def mask(self) -> Mask | None:
        """Return what covers their values; None where there are none, or where they cannot be opened."""
        if self._any and self._mask is None:
            try:
                self._mask = Mask(one.value for one in (await self._opened()).values())
            except SecretsLocked as failure:
                self.locked = str(failure)
        return self._mask

    async def lay_out(self) -> None:
        """See to it that all is where the container will find it. Raises NotStarted, NotNow."""
        if not self._any:
            return
        if files := self._files(await self._for_start()):
            self._laid_out = await self._tools.secret_files.lay_out(self._name, files)

    async def clear(self) -> None:
        """Remove what was laid out; the container is gone."""
        if self._any:
            await self._tools.secret_files.clear(self._name)

    async def variables(self) -> dict[str, str]:
        """Return the variables that the container itself is given. Raises NotStarted."""
        if not self._any or self._work.spec.python is not None:
            return {}
        return self._variables(await self._for_start())

    async def credential(self) -> Credential | None:
        """Return what opens the repository that it comes from. Raises NotStarted."""
        source = self._work.spec.source
        if source is None or source.git is None or (name := source.git.secret) is None:
            return None
        given = (await self._for_start())[name]
        return Credential(self._work.project, name, given.version, given.value)

    @property
    def variables_path(self) -> str | None:
        """Where the program finds those that its container is not given."""
        uses_variables = any(use.env is not None for use in self._work.spec.secrets)
        if self._work.spec.python is None or not uses_variables:
            return None
        return f"{PROGRAM_PLACE}/{VARIABLES}"

    def binds(self) -> list[Bind]:
        """Return how the container sees what was laid out."""
        if self._laid_out is None:
            return []
        places = ((_FILES, PLACE), (_PROGRAM, PROGRAM_PLACE))
        return [Bind(str(self._laid_out / part), path) for part, path in places if self._has(part)]

    async def covered(self, ended: Ended) -> Ended:
        """Return an end in whose words no value is left."""
        mask = await self.mask()
        if mask is None:
            return ended
        return replace(ended, outcome=_covered(mask, ended.outcome))

    async def covered_return(self, returned: Returned) -> Returned:
        """Return what a program left behind without the values in it; nothing if they cannot be known."""
        mask = await self.mask()
        if self.locked is not None:
            return Returned()
        if mask is None:
            return returned
        value = returned.value and json.dumps(mask.json(json.loads(returned.value)))
        return Returned(value, tuple(covered_problem(mask, each) for each in returned.problems))

    def _has(self, part: str) -> bool:
        if part == _PROGRAM:
            return self.variables_path is not None
        return any(use.path is not None for use in self._work.spec.secrets)

    def _files(self, given: Mapping[str, Given]) -> dict[str, bytes]:
        files = {
            f"{_FILES}{use.path.removeprefix(PLACE)}": given[use.name].value.encode()
            for use in self._work.spec.secrets
            if use.path is not None
        }
        if self._has(_PROGRAM):
            files[f"{_PROGRAM}/{VARIABLES}"] = json.dumps(self._variables(given)).encode()
        return files

    def _variables(self, given: Mapping[str, Given]) -> dict[str, str]:
        return {use.env: given[use.name].value for use in self._work.spec.secrets if use.env is not None}

    async def _for_start(self) -> Mapping[str, Given]:
        try:
            return await self._opened()
        except SecretsLocked as failure:
            said = f"cannot give it its secrets: {failure}"
            raise NotStarted(Outcome(Reason.START_FAILED, said)) from failure

    async def _opened(self) -> Mapping[str, Given]:
        if self._given is None:
            self._given = await self._tools.secrets.of_run(self._work.id)
        return self._given


def covered_problem(mask: Mask, problem: RunProblem) -> RunProblem:
    """Return a problem without the values in it."""
    said = {
        "type": mask.text(problem.type),
        "message": mask.text(problem.message),
        "stacktrace": mask.text(problem.stacktrace),
        "frames": [mask.text(frame) for frame in problem.frames],
    }
    return problem.model_copy(update=said)


def _covered(mask: Mask, outcome: Outcome) -> Outcome:
    return replace(outcome, message=mask.text(outcome.message))
