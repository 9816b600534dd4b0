"""Ask a model, and compare what it has counted with what runsd was told of the calls."""

import sys
from pathlib import Path
from typing import Any

from runsd_sdk import RunsClient

QUESTIONS = ["How much is it?", "Why?", "When will the next train to Linz leave?", "Is this a question?"]

with RunsClient() as client:
    handle = client.create_python(
        Path(__file__).parent,
        function="ask.py:main",
        args=[QUESTIONS],
        version="3.11",
        requirements="requirements.txt",
        resources={"requests": {"cpu": "1", "memory": "512Mi"}},
    )
    counted: Any = handle.wait(check=True).return_value
    told = client.metrics(handle.id)

print("            the model  the run")
for name in ("requests", "tokens_in", "tokens_out"):
    print(f"{name:10}  {counted[name]:9}  {getattr(told, name):7}")
sys.exit(counted != {name: getattr(told, name) for name in counted})
