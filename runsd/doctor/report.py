"""The doctor's report: for a person, or as one JSON document."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from runsd import config
from runsd.doctor import Finding, Subject, Verdict, examine, overall
from runsd.doctor.finding import failure, ok
from runsd.errors import Refused

SYMBOL: Final[dict[Verdict, str]] = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAILURE: "✗"}


def findings(
    config_file: Path | None, *, socket: Path, data_dir: Path, docker_host: str | None
) -> list[Finding]:
    """Examine the host as the daemon would find it with these options."""
    try:
        loaded = config.load(config_file, flags={"engine.host": docker_host})
        subject = Subject(loaded.settings, socket, data_dir, os.environ)
        source = config_file or "no file: defaults, environment and flags"
        return [ok("configuration", f"understood ({source})"), *examine(subject)]
    except Refused as refusal:
        remedy = "mend it; `runsd serve --print-config` shows every setting with its source"
        return [failure("configuration", str(refusal), remedy)]


def failed(found: Sequence[Finding]) -> bool:
    """Say whether anything keeps runs from working."""
    return overall(found) is Verdict.FAILURE


def as_text(found: Sequence[Finding]) -> str:
    """Write one line for each finding, its remedy on the next, and the sum at the end."""
    lines = []
    for finding in found:
        lines.append(f"{SYMBOL[finding.verdict]} {finding.name}: {finding.said}")
        if finding.remedy is not None:
            lines.append(f"    → {finding.remedy}")
    counts = [sum(finding.verdict is verdict for finding in found) for verdict in Verdict]
    lines.append(", ".join(f"{count} {verdict}" for count, verdict in zip(counts, Verdict, strict=True)))
    return "\n".join(lines) + "\n"


def as_json(found: Sequence[Finding]) -> str:
    """Write the verdict over all, and each finding."""
    document = {"verdict": overall(found), "findings": [asdict(finding) for finding in found]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
