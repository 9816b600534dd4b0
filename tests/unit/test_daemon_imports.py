"""What the daemon's process does without, for each module stays in its memory."""

import subprocess
import sys

IMPORTS = """
import sys, runsd.cli.runsd, runsd.daemon
sys.exit(" ".join({"rich", "pygments", "google.protobuf", "packaging"} & sys.modules.keys()) or 0)
"""


def test_the_daemon_does_without_what_colours_tracebacks_and_what_few_runs_need() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
