"""Run the walk-forward example on a daemon of its own, and leave nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import engine
import packages
import serving
from runsd_sdk import RunsClient, RunsdError

STOP_SECONDS = 30
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "walk_forward"


def main() -> None:
    """Show the example from the first run to the bill; exit as it does."""
    begun = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    made = subprocess.run([sys.executable, EXAMPLE / "image.py"], check=False)
    if made.returncode:
        sys.exit(made.returncode)
    folder = Path(tempfile.mkdtemp(prefix="runsd-demo-"))
    try:
        with daemon(folder) as host, RunsClient(host) as client:
            code = example(client, host)
    except KeyboardInterrupt:
        code = 130
    finally:
        shutil.rmtree(folder)
    print(f"demo ended after {time.monotonic() - begun:.1f} s", file=sys.stderr)
    sys.exit(code)


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """Run `runsd serve` with all it keeps in a folder, and give its address; it must leave nothing."""
    with serving.served(folder) as daemon:
        yield daemon.host
    if daemon.left:
        raise packages.CannotDo(
            f"{engine.log_tail(folder / 'runsd.log')}\nrunsd left {', '.join(daemon.left)}"
        )


def example(client: RunsClient, host: str) -> int:
    """Run the example as a user would, with a volume for its features; return its exit code."""
    volume = client.volumes.create("walk-forward-features")
    try:
        return subprocess.run(
            [sys.executable, EXAMPLE / "train_parallel.py", *sys.argv[1:]],
            env={**os.environ, "RUNSD_HOST": host, "CACHE_VOLUME_ID": volume.id},
            check=False,
        ).returncode
    finally:
        try:
            stop_runs(client)
            client.volumes.delete(volume.id)
        except RunsdError as failure:
            print(f"cannot clean up: {failure}", file=sys.stderr)


def stop_runs(client: RunsClient) -> None:
    """Cancel what is still going, after a Ctrl-C for instance, and wait until it is over."""
    going = [run.id for run in client.iterate(status=["pending", "running"])]
    for run_id in going:
        client.cancel(run_id)
    for run_id in going:
        client.wait(run_id, STOP_SECONDS)


if __name__ == "__main__":
    main()
