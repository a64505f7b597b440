"""What a run is made on, and with what; and how fast that is just now, by itself."""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import sample
from processes import ROOT

PACKAGES = ("uvicorn", "uvloop", "httptools", "django", "psycopg", "signalwire-sdk", "fastapi")
TURNS, TIMES = 5, 400  # of the yardstick: 40 ms


def machine() -> dict[str, str]:
    """When, on what, with what."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {found[1] if found else platform.machine()}",
        "python": platform.python_version(),
        "versions": ", ".join(versions),
        "code": commit.stdout.strip() or "unknown",
        "load before": f"{os.getloadavg()[0]:.1f} processes, in the last minute",
    }


def yardstick() -> float:
    """CPU µs that this interpreter needs on this machine, now, to read a captured body and write it again."""
    body, found = sample.BODIES["captured"]["SWAIG"], []
    for _ in range(TURNS):
        began = time.process_time()
        for _ in range(TIMES):
            json.dumps(json.loads(body))
        found.append((time.process_time() - began) / TIMES * 1e6)
    return statistics.median(found)
