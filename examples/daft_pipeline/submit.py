"""Run the pipeline, and show what it returned and what went wrong on the way."""

import argparse
import sys
from pathlib import Path
from typing import Any

from runsd_sdk import RunsClient

options = argparse.ArgumentParser()
options.add_argument("--strict", action="store_true", help="let a bad price end the pipeline")
asked = options.parse_args()

with RunsClient() as client:
    handle = client.create_python(
        Path(__file__).parent,
        function="pipeline.py:turnover",
        kwargs={"strict": asked.strict},
        version="3.11",
        requirements="requirements.txt",
        resources={"requests": {"cpu": "1", "memory": "1Gi"}},
        network="none",
        # Daft 0.7.26 now and then crashes when the program has ended (1 of 120 times, also without runsd).
        retries={"limit": 2, "on": ["exited:134", "exited:139"]},
    )
    result = handle.wait()

if result.status == "succeeded":
    table: Any = result.return_value
    for country, orders, euros in zip(table["country"], table["orders"], table["euros"], strict=True):
        print(f"{country:10} {orders:3} orders {euros:9.2f} EUR")
for problem in result.problems:
    print(f"{problem.count} x {problem.type}: {problem.message} ({problem.origin})")
    print(*(f"    {frame}" for frame in problem.frames), sep="\n")
if result.status != "succeeded":
    sys.exit(f"the pipeline {result.message}")
