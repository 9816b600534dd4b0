"""Parallel walk-forward training: nine folds at once, one shared feature cache.

CACHE_VOLUME_ID=$(runs volume create features) python train_parallel.py
"""

import argparse
import json
import os
import sys

from runsd_sdk import RunsClient
from table import show, watch

parser = argparse.ArgumentParser(description="train nine folds in parallel")
parser.add_argument("--cpu", default="0.5", help="cores for each fold")
parser.add_argument("--memory", default="128Mi", help="memory for each fold")
asked = parser.parse_args()

client = RunsClient()

folds = [0, 1, 2, 3, 4, 5, 6, 7, 8]

# Start all runs in parallel: each call returns at once
handles = [
    client.create(
        image="runsd/walk-forward:1",
        command=["python", "train.py", "--fold", str(fold)],
        env={"FOLD_ID": str(fold)},
        resources={"requests": {"cpu": asked.cpu, "memory": asked.memory}},
        # Shared feature cache volume (ReadWriteMany: concurrent access is fine)
        volume_mounts=[{"volumeId": os.environ["CACHE_VOLUME_ID"], "mountPath": "/cache"}],
        timeout_seconds=7200,
    )
    for fold in folds
]

watch(client, handles)  # for people; the program does not need it

# Wait for all to complete
results = [handle.wait() for handle in handles]
failures = [r for r in results if r.exit_code != 0]
if failures:
    print(f"{len(failures)}/{len(folds)} folds failed", file=sys.stderr)
accuracies = [json.loads(r.stdout)["accuracy"] for r in results if r.exit_code == 0]
if accuracies:
    print(f"Average accuracy: {sum(accuracies) / len(accuracies):.4f}")

show(results, client.usage())
client.close()
sys.exit(1 if failures else 0)
