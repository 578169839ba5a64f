"""mlgit job compare, and job metrics of several runs: what differs between two runs, and what came of it."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit

pytestmark = pytest.mark.slow

LOGGING_SCRIPT = """
    import json, os, sys, urllib.request
    for step in range(5):
        value = float(sys.argv[2]) / (step + 1)
        body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value, "timestamp": 1, "step": step}
        request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric")
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
        urllib.request.urlopen(request, json.dumps(body).encode()).close()
    """
VARIABLES = "environment_variables: {{MODE: fast, API_KEY: {key}}}\ninputs:\n"
KEYS = ("hunter2hunter2", "other3other3")


@pytest.fixture(scope="module")
def _shared(_quiet_git, tmp_path_factory):
    return tmp_path_factory.mktemp("compare") / "workspace"


@pytest.fixture
def runs(_shared, request):
    """Return a workspace whose job ran, and ran again after everything of it was changed; made once for all tests."""
    if not _shared.exists():
        small, mlgit = request.getfixturevalue("small"), request.getfixturevalue("mlgit")
        edit(small, "jobs/sum.yml", "inputs:\n", VARIABLES.format(key=KEYS[0]))
        commit(small, "logs", {"src/sum.py": LOGGING_SCRIPT})
        assert mlgit(*APPLY, cwd=small).code == 0
        edit(small, "jobs/sum.yml", "factor: 2", "factor: 3")
        edit(small, "jobs/sum.yml", KEYS[0], KEYS[1])
        edit(small, "jobs/sum.yml", "compute: local", "compute: cpu-cluster\nexperiment_name: tries")
        script = f"{LOGGING_SCRIPT}    open(sys.argv[3] + '/total.txt', 'w').write('12345')\n"
        commit(small, "change", {"src/sum.py": script, "src/new.py": "", "data/numbers.csv": "n\n1\n2\n3\n4\n"})
        assert mlgit(*APPLY, cwd=small).code == 0
        small.rename(_shared)
    return _shared


@pytest.fixture
def run_ids(runs, mlgit):
    return [run["run"] for run in json.loads(mlgit("job", "list", "sum", "--format", "json", cwd=runs).out)]


def test_a_comparison_says_what_differs_and_what_came_of_it(runs, run_ids, mlgit, golden):
    compared = mlgit("job", "compare", *run_ids, cwd=runs)
    assert (compared.code, compared.err) == (0, "")
    lines = [line for line in compared.out.splitlines(keepends=True) if not line.startswith("duration ")]
    golden("cli/job-compare/text.txt", "".join(lines))


def test_a_comparison_as_json_has_both_sides_and_no_secret(runs, run_ids, mlgit, golden):
    compared = mlgit("job", "compare", *run_ids, "--format", "json", cwd=runs)
    assert (compared.code, compared.err) == (0, "")
    assert not [key for key in KEYS if key in compared.out]
    document = json.loads(compared.out)
    golden("cli/job-compare/differences.json", json.dumps(document["differences"], indent=2) + "\n")
    results = {(row["group"], row["name"]): row for row in document["results"]}
    assert results["metrics", "loss"]["difference"] == pytest.approx(0.2)
    assert results["outputs", "total"]["difference"] == 5


def test_equal_runs_have_no_difference(runs, mlgit, golden):
    golden("cli/job-compare/equal.txt", mlgit("job", "compare", "sum", "sum", cwd=runs).out)


def test_a_run_that_does_not_exist_cannot_be_compared(runs, mlgit):
    compared = mlgit("job", "compare", "sum", "sun", cwd=runs)
    assert (compared.code, compared.out, "[job-unknown]" in compared.err) == (1, "", True)


def test_the_metrics_of_several_runs_are_shown_beside_and_over_one_another(runs, run_ids, mlgit, golden):
    golden("cli/job-compare/metrics.txt", mlgit("job", "metrics", *run_ids, cwd=runs).out)
    golden("cli/job-compare/plot.txt", mlgit("job", "metrics", *run_ids, "--plot", cwd=runs).out)
    logged = json.loads(mlgit("job", "metrics", *run_ids, "--format", "json", cwd=runs).out)
    assert {metric["run"] for metric in logged} == {*run_ids}
    assert mlgit("job", "metrics", "sum", "--plot", "--format", "json", cwd=runs).code == 1
