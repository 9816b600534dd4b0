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
import images
import packages
from runsd_sdk import DaemonUnreachable, RunsClient, RunsdError

READY_SECONDS = 30
STOP_SECONDS = 30
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "walk_forward"
RUNSD = Path(sys.executable).with_name("runsd")


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
    """Run `runsd serve` with all it keeps in a folder, and give its address once it answers."""
    socket, log = folder / "runsd.sock", folder / "runsd.log"
    command: list[str | Path] = [RUNSD, "serve", "--socket", socket, "--data-dir", folder]
    command += ["--docker-host", engine.address()]
    with log.open("wb") as output:
        # In its own session: a Ctrl-C is for the demo, which still needs the daemon to clean up.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    instance = None
    try:
        instance = wait_until_ready(process, f"unix://{socket}", log)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        left = sweep(instance) if instance else []
    if code or left:
        raise packages.CannotDo(
            f"{engine.log_tail(log)}\nrunsd ended with {code} and left {left or 'nothing'}"
        )


def wait_until_ready(process: "subprocess.Popen[bytes]", host: str, log: Path) -> str:
    """Ask the daemon who it is until it answers; show its log when it will not."""
    until = time.monotonic() + READY_SECONDS
    with RunsClient(host) as client:
        while True:
            try:
                return client.info().instance
            except DaemonUnreachable:
                if process.poll() is not None or time.monotonic() > until:
                    raise packages.CannotDo(f"{engine.log_tail(log)}\ncannot start runsd") from None
                time.sleep(0.05)


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


def sweep(instance: str) -> list[str]:
    """Remove and name what that daemon left on the Engine; there should be nothing."""
    mine = {"label": f"io.runsd.instance={instance}"}
    with images.connect() as docker:
        containers = docker.containers(all=True, filters=mine)
        for container in containers:
            docker.remove_container(container["Id"], force=True)
        volumes = docker.volumes(filters=mine)["Volumes"] or []
        for volume in volumes:
            docker.remove_volume(volume["Name"])
    return [each["Names"][0] for each in containers] + [each["Name"] for each in volumes]


if __name__ == "__main__":
    main()
