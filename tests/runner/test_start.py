"""What the runner loads to start a run: nothing of the tracking server before the first call of the script."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_CALL = """
import os, urllib.request
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/get?run_id=" + os.environ["MLFLOW_RUN_ID"]
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
print(urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status)
"""


def _loaded_modules(bench: Any) -> set[str]:
    """Execute the run and return the modules that the runner has imported."""
    (bench.root / "spec.json").write_text(json.dumps(bench.spec))
    command = [sys.executable, "-X", "importtime", "-I", str(bench.root / "runner.pyz"), str(bench.root / "spec.json")]
    ended = subprocess.run(command, env=bench.variables, capture_output=True, text=True, check=False, timeout=180)
    assert bench.result()["status"] == "completed", bench.log()
    lines = (line.rpartition("|") for line in ended.stderr.splitlines() if line.startswith("import time:"))
    return {module.strip() for _, _, module in lines}


@pytest.mark.parametrize("makes_calls", [False, True])
def test_the_tracking_server_is_loaded_by_the_first_call(bench: Any, makes_calls: bool) -> None:  # noqa: FBT001 - a parameter
    if makes_calls:
        bench.script(_CALL)
    loaded = _loaded_modules(bench)
    assert ({"http.server", "runner.tracking.server"} <= loaded) == makes_calls
    assert {"urllib.request", "runner.tracking.remote"}.isdisjoint(loaded)
    assert makes_calls or {"http.server", "email", "traceback"}.isdisjoint(loaded)
