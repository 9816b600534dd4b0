"""Train nine folds at once: nine runs of one function, whose values are the scores."""

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

from runsd_sdk import RunsClient

options = argparse.ArgumentParser()
options.add_argument("--cpu", default="1", help="of each fold")
options.add_argument("--memory", default="512Mi")
asked = options.parse_args()

with RunsClient() as client:
    results = client.map(
        source={"upload": client.upload(Path(__file__).parent).id},
        python={
            "version": "3.13",
            "requirements": "requirements.txt",
            "entrypoint": {"function": "digits.py:train"},
        },
        over=[{"python": {"entrypoint": {"args": [fold]}}, "name": f"fold-{fold}"} for fold in range(9)],
        resources={"requests": {"cpu": asked.cpu, "memory": asked.memory}},
        network="none",  # the packages are there already, and the digits come with scikit-learn
        check=True,
    )
    scores: list[Any] = []
    print("fold  read rightly  seconds")
    for fold, result in enumerate(results):
        scores.append(result.return_value)
        print(f"{fold:4}  {scores[fold]:12.4f}  {result.usage.duration_seconds:7.1f}")
    print(f"mean  {mean(scores):12.4f}")
