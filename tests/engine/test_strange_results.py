"""What a job logs or puts in the place of its result can be recorded or is a failure; it never stops later applies."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, write

pytestmark = pytest.mark.slow

LOG = """
import json, os, urllib.request

def call(path, **body):
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + path
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **body}).encode()
    urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers)).read()

for text in ("caf\\udce9", "\\ud800", "a\\n::error::x", "\\U0001f600"):
    call("log-metric", key=text, value=1, timestamp=1, step=1)
    call("log-parameter", key=text, value=text)
    call("set-tag", key=text, value=text)
    call("log-batch", metrics=[{"key": text, "value": 2, "timestamp": 2, "step": 2}])
"""
RESULTS = ({"o": 3}, {"o": None}, {"o": {"md5": "../../x"}}, {"o": {"size": "x"}}, {"o": [1]}, {"o\ud800": {"size": 1}})


def test_text_that_cannot_be_stored_is_logged_with_question_marks(small, mlgit):
    write(small, {"src/sum.py": LOG})
    commit(small)
    assert mlgit(*APPLY, cwd=small).code == 0
    shown = json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=small).out)
    assert shown["params"] == {"caf?": "caf?", "?": "?", "a\n::error::x": "a\n::error::x", "\U0001f600": "\U0001f600"}
    assert set(shown["metrics"]) == set(shown["params"])
    assert mlgit("plan", "--detailed-exitcode", cwd=small).code == 0


@pytest.mark.parametrize("outputs", RESULTS)
def test_a_result_that_a_job_wrote_itself_is_damaged_and_ends_no_later_apply(applied, mlgit, outputs):
    result = json.dumps({"status": "completed", "outputs": outputs})
    script = f"import os, pathlib, signal\npathlib.Path('../result.json').write_text({result!r})\n"
    write(applied, {"src/sum.py": f"{script}os.kill(os.getppid(), signal.SIGKILL)\n"})
    edit(applied, "mlgit.yml", "state:", "retries: 0\nstate:")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code in {0, 1}
    for command in (("plan",), ("drift",), ("status",), ("job", "show", "sum"), APPLY):
        ended = mlgit(*command, cwd=applied)
        assert ended.code in {0, 1}, (command, ended.err)
        assert "state-corrupt" not in ended.err
