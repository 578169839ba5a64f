"""docs/library.md: every example has the documented output, in a workspace with one job that logs a metric."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from workspaces import SMALL, commit, git

pytestmark = pytest.mark.slow

_PAGE = Path(__file__).parent.parent / "docs/library.md"
# Logs a metric with the MLflow tracking API and the standard library alone.
_METRIC = """
import json, os, urllib.request
def log(key, value):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "timestamp": 0, "step": 0}
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).read()
log("total", total * float(factor))
"""


def test_every_example_has_the_documented_output(tmp_path, monkeypatch):
    folder = tmp_path / "small"
    folder.mkdir()
    git(folder, "init", "--quiet")
    lines = [line.removeprefix(" " * 8) for line in SMALL["src/sum.py"].splitlines()]
    commit(folder, "start", {**SMALL, "src/sum.py": "\n".join(lines) + _METRIC})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    text = _PAGE.read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"```pycon\n(.*?)```", text, re.DOTALL))
    assert examples.count(">>> ") > 20
    test = doctest.DocTestParser().get_doctest(examples, {}, "docs/library.md", None, None)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.FAIL_FAST)
    failures = runner.run(test, out=report.append).failed
    assert failures == 0, "".join(report)
