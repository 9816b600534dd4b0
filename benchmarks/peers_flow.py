"""Run by Prefect's own Python: carries out flow runs that do nothing, as many at once as each line asks for.

Reads a number from stdin, submits so many runs of one deployment, and prints the seconds until all of them
have completed. The same file holds the flow, which the Docker worker runs inside a container.
"""

import asyncio
import json
import sys
import time
from typing import Any

from prefect import flow, get_client

POLL_S = 0.05


@flow  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing."""


async def main(pool: str, variables: dict[str, Any]) -> None:
    """Deploy the flow, and carry it out as often as stdin asks."""
    async with get_client() as client:
        made = await client.create_flow_from_name("nothing")
        where = {"prefect.deployments.steps.set_working_directory": {"directory": "/opt/flow"}}
        deployment = await client.create_deployment(
            made, "nothing", entrypoint="peers_flow.py:nothing", path="/opt/flow", pull_steps=[where],
            work_pool_name=pool, job_variables=variables,
        )  # fmt: skip
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            begun = time.perf_counter()
            runs = [await client.create_flow_run_from_deployment(deployment) for _ in range(int(line))]
            for run in runs:
                await _completed(client, run.id)
            print(time.perf_counter() - begun, flush=True)


async def _completed(client: Any, run_id: Any) -> None:
    while True:
        state = (await client.read_flow_run(run_id)).state
        if state is not None and state.is_final():
            if not state.is_completed():
                raise RuntimeError(f"a flow run ended as {state.name}: {state.message}")
            return
        await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
