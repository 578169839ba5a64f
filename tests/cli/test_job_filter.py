"""mlgit job list: filters, durations, and the JSON of a run."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit

from reconciler.cli._run_filter import format_run_duration, run_table
from reconciler.model import RunStatus, run_metric
from reconciler.state.codec import RunSummary

JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: {command}
    environment: azureml:plain@latest
    compute: local
    """
JOBS = {
    "jobs/first.yml": 'experiment_name: iris\n    tags: {team: vision, stage: "1"}\n',
    "jobs/second.yml": "experiment_name: iris\n    tags: {team: speech}\n",
    "jobs/third.yml": "experiment_name: wine\n",
}
ALL = {"first", "second", "third", "fails", "sum"}
FILTERS = {
    (): ALL,
    ("--status", "completed"): ALL - {"fails"},
    ("--status", "Completed"): ALL - {"fails"},  # as Azure ML writes it
    ("--status", "FAILED"): {"fails"},
    ("--status", "failed", "--status", "completed"): ALL,
    ("--status", "running"): set(),
    ("--experiment", "iris"): {"first", "second"},
    ("--experiment", "Iris"): set(),
    ("--tag", "team"): {"first", "second"},
    ("--tag", "team=vision"): {"first"},
    ("--tag", "stage=1"): {"first"},
    ("--tag", "stage="): set(),
    ("--tag", "team", "--tag", "stage=1"): {"first"},
    ("--tag", "team=speech", "--tag", "stage=1"): set(),
    ("--experiment", "iris", "--tag", "team=speech", "--status", "completed"): {"second"},
    ("--experiment", "iris", "--status", "failed"): set(),
}


@pytest.fixture(scope="module")
def _shared(_applied, tmp_path_factory):
    return tmp_path_factory.mktemp("filter") / "workspace"


@pytest.fixture
def jobs(_shared, request):
    """Apply jobs with experiments and tags, one of which fails; once for all tests."""
    if not _shared.exists():
        request.getfixturevalue("applied").rename(_shared)
        mlgit = request.getfixturevalue("mlgit")
        files = {name: f"{JOB.format(command='echo one')}{fields}" for name, fields in JOBS.items()}
        commit(_shared, "jobs", {**files, "jobs/fails.yml": JOB.format(command="exit 4")})
        assert mlgit(*APPLY, cwd=_shared).code == 1
    return _shared


def names(listed: str) -> set[str]:
    """Return the jobs of the runs in a table."""
    return {row[0].rpartition("-")[0] for row in table_rows(listed)}


def table_rows(listed: str) -> list[list[str]]:
    """Return the cells of the runs in a table, without the headings of the experiments."""
    return [line.split() for line in listed.splitlines() if line.startswith("  ")]


@pytest.mark.slow
@pytest.mark.parametrize("options", FILTERS, ids=" ".join)
def test_the_runs_that_have_all_of_what_is_asked_for_are_listed_also_as_json(jobs, mlgit, options):
    table = mlgit("job", "list", *options, cwd=jobs)
    document = mlgit("job", "list", *options, "--format", "json", cwd=jobs)
    assert (table.code, table.err, document.code, document.err) == (0, "", 0, "")
    assert names(table.out) == FILTERS[options]
    assert {run["job"].rpartition("/")[2] for run in json.loads(document.out)} == FILTERS[options]
    if not FILTERS[options]:
        assert table.out == "No run has all of that.\n"


@pytest.mark.slow
def test_the_runs_of_one_job_are_filtered_too(jobs, mlgit):
    assert names(mlgit("job", "list", "first", "--tag", "team=vision", cwd=jobs).out) == {"first"}
    assert mlgit("job", "list", "third", "--tag", "team", cwd=jobs).out == "No run has all of that.\n"


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--max-results", "-r"])
def test_the_newest_runs_are_listed_in_the_order_of_the_whole_list(jobs, mlgit, option):
    runs = json.loads(mlgit("job", "list", "--format", "json", cwd=jobs).out)
    newest = [run["run"] for run in sorted(runs, key=lambda run: run["submitted_at"])]
    rows = table_rows(mlgit("job", "list", cwd=jobs).out)
    for number in (1, 2, 3, 4, 5, 6):
        listed = table_rows(mlgit("job", "list", option, str(number), cwd=jobs).out)
        assert listed == [row for row in rows if row[0] in newest[-number:]]


@pytest.mark.slow
def test_the_runs_are_below_their_experiments(jobs, mlgit):
    lines = mlgit("job", "list", cwd=jobs).out.splitlines()[1:]
    order = [line.split()[0].rpartition("-")[0] if line.startswith("  ") else line for line in lines]
    assert (order[0], {*order[1:3]}, order[3]) == ("iris", {"first", "second"}, "jobs")
    assert ({*order[4:6]}, order[6:]) == ({"sum", "fails"}, ["wine", "third"])


@pytest.mark.fast
def test_a_run_is_listed_with_its_metric_and_on_a_terminal_within_its_width(monkeypatch):
    message = "the command ended with exit code 4, and more that nobody needs to read in a list of runs"
    run = RunSummary("a-1", "failed", 2, "2026-01-01T00:00:00.1Z", message, is_unfinished=False, experiment_name="iris")
    run = run._replace(metric="a-name-of-a-metric-that-is-long", metric_value=0.123456)
    cells = ("  a-1", "failed", "2026-01-01T00:00:00Z", "", "a-name-of-... 0.1235", f"attempt 2: {message}")
    assert run_table([run]) == [("iris", "", "", "", "", ""), cells]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    assert run_table([run])[1] == (*cells[:-1], "attempt 2: the command ended...")


@pytest.mark.fast
def test_the_metric_of_a_sweep_is_its_primary_one_and_that_of_another_run_the_first():
    metrics = {"loss": 1, "accuracy": 0.5}
    assert run_metric({}, metrics) == ("accuracy", 0.5)
    assert run_metric({"objective": {"primary_metric": "loss"}}, metrics) == ("loss", 1)
    assert run_metric({"objective": {"primary_metric": "auc"}}, metrics) is None
    assert run_metric({}, {}) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [("--status", "done"), ("--max-results", "0"), ("--max-results", "x"), ("--tag",), ("--experiment",)],
    ids=" ".join,
)
def test_a_wrong_filter_is_a_usage_error(jobs, mlgit, options):
    ended = mlgit("job", "list", *options, cwd=jobs)
    assert (ended.code, ended.out, ended.err.count("error: ")) == (1, "", 1)


@pytest.mark.slow
def test_the_json_of_a_run_has_its_experiment_tags_and_duration(jobs, mlgit):
    (run,) = json.loads(mlgit("job", "list", "first", "--format", "json", cwd=jobs).out)
    assert (run["experiment_name"], run["tags"]) == ("iris", {"team": "vision", "stage": "1"})
    assert 0 <= run["duration_seconds"] < 60


@pytest.mark.fast
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "9 s"),
        (12.6, "12 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_a_duration_is_shown_in_units_that_fit(seconds, text):
    run = RunSummary("a-1", "completed", 1, "2026-01-01T00:00:00Z", "", is_unfinished=False, seconds=seconds)
    assert format_run_duration(run) == text


@pytest.mark.fast
@pytest.mark.parametrize("status", RunStatus)
def test_only_a_run_that_has_started_has_a_duration(status):
    run = RunSummary("a-1", str(status), 1, "2026-01-01T00:00:00Z", "", is_unfinished=True)
    assert bool(format_run_duration(run)) == (status is RunStatus.RUNNING)
