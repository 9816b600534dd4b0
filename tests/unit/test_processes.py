"""Processes are ended with their children, whether somebody reads what they write or not."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process

import psutil
import pytest

from runsd.processes import end


async def started(script: str) -> Process:
    return await asyncio.create_subprocess_exec(
        "sh", "-c", script, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


@pytest.mark.parametrize("grace_s", [0.0, 0.2])
async def test_one_whose_output_nobody_reads_any_more_is_ended(grace_s: float) -> None:
    process = await started("yes")
    assert process.stdout is not None
    await process.stdout.readexactly(1)
    await end(process, grace_s=grace_s)
    assert process.returncode is not None


async def test_what_it_has_started_is_ended_too() -> None:
    process = await started("sleep 600 & echo $!; wait")
    assert process.stdout is not None
    child = psutil.Process(int(await process.stdout.readline()))
    await end(process)
    await asyncio.to_thread(child.wait, 20)


async def test_with_a_grace_it_may_tidy_up_and_without_one_it_may_not() -> None:
    codes = []
    for grace_s in (20.0, 0.0):
        process = await started("trap 'exit 7' TERM; echo; while :; do sleep 0.01; done")
        assert process.stdout is not None
        await process.stdout.readline()
        await end(process, grace_s=grace_s)
        codes.append(process.returncode)
    assert codes == [7, -9]
