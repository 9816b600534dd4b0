"""Preparation: an image that is there and a container that is made, or the reason why that cannot be."""

import asyncio

import structlog
from runsd_sdk import quantity
from runsd_sdk.python import WORKSPACE
from runsd_sdk.run import Reason

from runsd.engine.port import ContainerFacts, ContainerRequest, ImageFacts, Mount
from runsd.environments.naming import ENVIRONMENT
from runsd.errors import EngineConflict, EngineNotFound, EngineRefused
from runsd.run import Outcome
from runsd.store.attempts import Work
from runsd.supervise import payload
from runsd.supervise.asking import Asking
from runsd.supervise.naming import container_labels
from runsd.supervise.patience import patiently
from runsd.supervise.program import Program
from runsd.supervise.sandboxes import Loan
from runsd.supervise.secrets import AttemptSecrets
from runsd.supervise.tools import NotStarted, Tools

log = structlog.get_logger()

_PROGRESS_EVERY_S = 2.0


class Preparation:
    """What comes before the start of one attempt. Raises NotStarted when it cannot be, or was cancelled.

    It was not ``quick`` where a sandbox was made for it first.
    """

    def __init__(
        self,
        work: Work,
        name: str,
        tools: Tools,
        asking: Asking,
        program: Program | None,
        secrets: AttemptSecrets,
    ) -> None:
        self._work = work
        self._name = name
        self._tools = tools
        self._asking = asking
        self._program = program
        self._secrets = secrets
        self.quick = True

    async def image(self) -> str:
        """Make sure of the image, and of all that a program needs in it; return its id."""
        base = await self._present()
        image_id = base.id
        if self._program is not None:
            if await self._tools.attempts.preparing(self._work):
                self._tell()
                self._tools.signals.notify("queue")  # it takes nobody's turn meanwhile
            image_id = await self._program.image(base)
        if not await self._tools.attempts.ready(self._work, image_id=image_id, image_digest=base.digest):
            self._asking.changed()  # it is to stop: a container must not be made without this on record
        self._tell()
        return image_id

    async def _present(self) -> ImageFacts:
        await self._asking.check_stop("before its image was looked for")
        reference, policy = self._work.spec.reference, self._work.spec.pull_policy
        try:
            image = await self._tools.images.present(reference)
        except EngineRefused as failure:
            said = f"cannot look for image {reference}: {failure}; check its name"
            raise NotStarted(Outcome(Reason.IMAGE_NOT_FOUND, said)) from failure
        if policy == "always" or image is None:
            if policy == "never":
                said = f"image {reference} is not on this host and pullPolicy is never; pull or build it"
                raise NotStarted(Outcome(Reason.IMAGE_NOT_FOUND, said))
            image = await self._pull(reference)
        if ENVIRONMENT in image.labels:  # by its id, or the beginning of one, which can be guessed
            said = f"cannot use image {reference}: runsd has made it of somebody's program; name its base"
            raise NotStarted(Outcome(Reason.IMAGE_NOT_FOUND, said))
        return image

    async def _pull(self, reference: str) -> ImageFacts:
        if await self._tools.attempts.pulling(self._work):
            self._tell()
            self._tools.signals.notify("queue")  # it takes nobody's turn while it waits for its image
        log.info("run.pulling", run=self._work.id, attempt=self._work.attempt, image=reference)
        async with self._tools.images.pulling(reference) as pull:
            told = pull.news
            while True:
                await self._asking.done_or_asked(pull.task, within_s=_PROGRESS_EVERY_S)
                if pull.task.done():
                    break
                await self._asking.check_stop("while its image was being pulled")
                if pull.news is not None and pull.news != told:
                    told = pull.news
                    await self._tools.attempts.pull_progress(self._work, told.done_bytes, told.total_bytes)
                    self._tell()
            try:
                return pull.task.result()
            except EngineNotFound as failure:
                said = f"cannot find image {reference}: {failure}; check its name, or log in to its registry"
                raise NotStarted(Outcome(Reason.IMAGE_NOT_FOUND, said)) from failure
            except EngineRefused as failure:
                said = f"cannot pull image {reference}: {failure}"
                raise NotStarted(Outcome(Reason.IMAGE_PULL_FAILED, said)) from failure

    async def container(self, image_id: str) -> ContainerFacts:
        """Make the container."""
        await self._asking.check_stop("before its container was made")
        engine, sandboxes = self._tools.engine, self._tools.sandboxes
        mounts = await self._mounts()
        await self._secrets.lay_out()
        secret = await self._secrets.variables()
        if self._work.has_payload:
            secret = {**await payload.variables(self._tools, self._work.id), **secret}
        cgroup_parent = await self._tools.usage.prepare(self._name)
        loan = await self._loan()
        sandbox = loan.sandbox if loan else None
        self.quick = not (loan and loan.made)
        try:
            network = await self._network(sandbox)
            request = self._request(
                image_id, mounts, secret, network=network, cgroup_parent=cgroup_parent, sandbox=sandbox
            )
            created = await patiently(lambda: engine.create(request))
        except (EngineNotFound, EngineRefused, EngineConflict) as failure:
            if sandbox is not None:
                sandboxes.give_back(sandbox)
            missing = isinstance(failure, EngineNotFound)
            reason = Reason.IMAGE_NOT_FOUND if missing else Reason.START_FAILED
            raise NotStarted(Outcome(reason, f"cannot create the container: {failure}")) from failure
        container = await engine.inspect(created)
        if container is None:
            raise NotStarted(Outcome(Reason.LOST, "the container vanished before it was started"))
        if sandbox is not None and container.joined != sandbox:  # an earlier try has made it
            sandboxes.give_back(sandbox)
        return container

    async def _loan(self) -> Loan | None:
        """Ask for a sandbox; whoever is asked to stop while one is being made needs none.

        Not every runtime lets its containers join the network namespace of one of the default runtime.
        """
        if self._work.spec.runtime is not None:
            return None
        sandboxes = self._tools.sandboxes
        lending = asyncio.create_task(
            sandboxes.lend(self._work.spec.network, self._work.project), name=f"loan-{self._name}"
        )
        try:
            await self._asking.done_unless_stopped(lending, "before its container was made")
            return lending.result()
        except BaseException:
            lending.cancel()
            (left,) = await asyncio.gather(lending, return_exceptions=True)
            if isinstance(left, Loan):
                sandboxes.give_back(left.sandbox)
            raise

    async def _network(self, sandbox: str | None) -> str:
        """Return the Engine's network; whoever joins a sandbox is in that one's."""
        asked = self._work.spec.network
        if sandbox is not None:
            return asked
        return await patiently(lambda: self._tools.bridge.joined_for(asked))

    async def _mounts(self) -> list[Mount]:
        asked = self._work.spec.volume_mounts
        names = await self._tools.volumes.docker_names([mount.volume_id for mount in asked])
        mounts = []
        for mount in asked:
            name = names.get(mount.volume_id)
            # The Engine would quietly make an empty volume in the place of a missing one.
            if name is None or not await self._tools.engine.volume_exists(name):
                said = f"volume {mount.volume_id} is gone from the Engine; delete it here and make it again"
                raise NotStarted(Outcome(Reason.VOLUME_MISSING, said))
            mounts.append(Mount(name, mount.mount_path, mount.read_only))
        return mounts

    def _request(
        self,
        image_id: str,
        mounts: list[Mount],
        secret: dict[str, str],
        *,
        network: str,
        cgroup_parent: str | None,
        sandbox: str | None,
    ) -> ContainerRequest:
        spec, program = self._work.spec, self._program
        requests = spec.resources.requests
        return ContainerRequest(
            name=self._name,
            image=image_id,
            entrypoint=spec.command if program is None else program.command,
            args=spec.args,
            env={**self._telemetry(), **(program.environment if program else {}), **spec.env, **secret},
            labels=container_labels(self._tools.instance, self._work.id, self._work.attempt),
            cpu_milli=requests.cpu_milli,
            memory_bytes=requests.memory_bytes,
            shm_bytes=quantity.memory_bytes(spec.shm_size, minimum=1),
            mounts=mounts,
            network=network,
            workdir=spec.workdir if program is None else spec.workdir or WORKSPACE,
            user=spec.user,
            cgroup_parent=cgroup_parent,
            log_max_bytes=self._tools.log_max_bytes,
            sandbox=sandbox,
            binds=self._secrets.binds(),
            read_only=self._tools.read_only,
            runtime=spec.runtime,
            kept=(
                *(() if program is None else program.kept),
                *((payload.FOLDER,) if self._work.has_payload else ()),
            ),
        )

    def _telemetry(self) -> dict[str, str]:
        work, spec = self._work, self._work.spec
        given = {**spec.env, **{use.env: "" for use in spec.secrets if use.env is not None}}
        return self._tools.telemetry.variables(
            work.id, work.attempt, network=spec.network, name=spec.name, given=given
        )

    def _tell(self) -> None:
        self._tools.tell(self._work.id)
