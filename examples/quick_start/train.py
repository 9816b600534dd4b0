"""One run, from start to accuracy. `make demo` makes its image; then: python examples/quick_start/train.py"""

import json

from runsd_sdk import RunsClient

with RunsClient() as client:
    # Single run: wait for completion
    result = client.create_and_wait(
        image="runsd/walk-forward:1",
        command=["python", "train.py", "--fold", "0"],
        resources={"requests": {"cpu": "1", "memory": "256Mi"}},
        timeout_seconds=3600,
    )

if result.exit_code != 0:
    raise RuntimeError(f"Training failed: {result.message}: {result.stderr}")
print("Accuracy:", json.loads(result.stdout)["accuracy"])
