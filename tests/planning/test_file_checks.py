"""What is wrong between files: reported once, all of it at once, and by validate as by plan."""

from __future__ import annotations

import pytest
from planning.project import Files, InMemoryProject, declared_by, edited, plan_options_of, small, tree_of, without

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.planning.file_checks import LiveAssets, check_files_together, check_runs
from reconciler.planning.referencable import existence_check, referencable

pytestmark = pytest.mark.fast

CLUSTER = edited("jobs/sum.yml", "compute: local", "compute: azureml:gpu")
UNBOUND = edited("mlgit.yml", 'compute: {"*": local}', "compute: {other: local}", CLUSTER)


def check(files: Files, *, planned: bool = False, runs: bool = True) -> tuple[Diagnostic, ...]:
    """Check files as validate does or, if planned, as a plan with an empty live state."""
    live = InMemoryProject().state()
    assets = LiveAssets(referencable(live), existence_check(live), {}) if planned else None
    declared, config = declared_by(files, runs=runs), plan_options_of(files).config
    together = check_files_together(declared, config, tree_of(files), assets)
    return (*together, *check_runs(declared, declared.assets.values(), config, together))


def job_files(count: int, files: Files) -> dict[str, str]:
    """Return files with a number of copies of the job."""
    copies = {f"jobs/copy-{n}.yml": files["jobs/sum.yml"].replace("name: sum", f"name: copy-{n}") for n in range(count)}
    return {**files, **copies}


def test_a_path_that_git_does_not_have_is_a_warning_of_validate_and_an_error_of_plan_in_the_same_words():
    files = edited("data/numbers.yml", "numbers.csv", "number.csv")
    (warning,) = check(files)
    (error,) = check(files, planned=True)
    assert (warning.code, warning.span) == ("path-missing", Span("data/numbers.yml", 4, 7))
    assert (warning.severity, error.severity) == (Severity.WARNING, Severity.ERROR)
    assert (error.code, error.message, error.span, error.hint) == (
        warning.code,
        warning.message,
        warning.span,
        warning.hint,
    )


def test_references_to_one_missing_asset_are_one_diagnostic_with_all_places():
    files = without("data/numbers.yml", job_files(20, small()))
    (diagnostic,) = check(files)
    assert diagnostic.message == "azureml:numbers@latest refers to data/numbers, which is not declared"
    places = (diagnostic.span, *diagnostic.places)
    assert sorted(place.path for place in places) == sorted(name for name in files if name.startswith("jobs/"))


def test_a_compute_that_mlgit_yml_binds_needs_no_file_and_a_warning_says_what_to_write():
    for planned in (False, True):
        (diagnostic,) = check(job_files(3, CLUSTER), planned=planned)
        assert (diagnostic.code, diagnostic.severity) == ("reference-dangling", Severity.WARNING)
        assert "mlgit.yml binds it to the backend local" in diagnostic.message
        assert len(diagnostic.places) == 3
        assert diagnostic.hint == "to declare it, write compute/gpu.yml:"
        assert len(diagnostic.example) == 4
    text = "".join(f"{line}\n" for line in diagnostic.example)
    assert check({**CLUSTER, "compute/gpu.yml": text}, planned=True) == ()
    submission = next(action for action in InMemoryProject().plan(CLUSTER).submissions)
    assert submission.run is not None
    assert submission.run.backend == "local"


def test_a_compute_that_nothing_binds_is_reported_once():
    (warning,) = check(UNBOUND)
    (error,) = check(UNBOUND, planned=True)
    assert (warning.code, warning.severity) == ("reference-dangling", Severity.WARNING)
    assert (error.code, error.severity) == ("reference-dangling", Severity.ERROR)


def test_a_file_with_several_errors_gets_all_of_them_in_one_run():
    files = edited("jobs/sum.yml", "compute:", "comput:")
    files = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:nubmers@latest", files)
    files = edited("jobs/sum.yml", "../src", "../scr", files)
    files = edited("jobs/sum.yml", "plain@latest", "plain@best", files)
    codes = ["path-missing", "reference-unresolved", "unknown-field", "reference-dangling"]
    assert [diagnostic.code for diagnostic in check(files)] == codes
    assert [diagnostic.code for diagnostic in check(files, planned=True)] == codes


def test_a_reference_to_what_an_unreadable_file_may_declare_is_not_dangling():
    for text in ("name: numbers\npath: [\n", "name: 'numbers'\ntype: uri_file\npath: [\n"):
        files = {**without("data/numbers.yml"), "data/other.yml": f"$schema: azureml/data.schema.json\n{text}"}
        assert [diagnostic.code for diagnostic in check(files)] == ["yaml-syntax"]


def test_each_group_of_assets_that_refer_to_one_another_is_one_cycle():
    files = small()
    for first, second in (("a", "b"), ("c", "d")):
        for name, other in ((first, second), (second, first)):
            text = files["jobs/sum.yml"].replace("name: sum", f"name: {name}")
            files[f"jobs/{name}.yml"] = text.replace("azureml:numbers@latest", f"azureml://jobs/{other}/outputs/total")
    diagnostics = check(files)
    assert [diagnostic.code for diagnostic in diagnostics] == ["reference-cycle"] * 2
    assert {diagnostic.span.path[-5] for diagnostic in diagnostics if diagnostic.span} <= set("abcd")


@pytest.mark.parametrize(("runs", "severity"), [(True, Severity.ERROR), (False, Severity.NOTE)])
def test_what_a_run_needs_is_an_error_for_jobs_that_apply_runs_and_a_note_for_the_others(runs, severity):
    files = edited("jobs/sum.yml", "azureml:plain@latest", "azureml:AzureML-none@latest")
    (diagnostic,) = check(files, runs=runs)
    assert (diagnostic.code, diagnostic.span) == ("environment-form", Span("jobs/sum.yml", 5, 14))
    assert diagnostic.severity is severity


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        (
            "{from: data/old, to: data/nubmers}",
            "data/old is renamed to data/nubmers, but no file declares data/nubmers",
        ),
        (
            "{from: data/numbers, to: data/new}",
            "data/numbers is renamed to data/new, but data/numbers.yml still declares",
        ),
    ],
)
def test_a_rename_that_the_files_contradict_is_a_warning(moved, message):
    files = {**small(), "mlgit.yml": f"{small()['mlgit.yml']}moved: [{moved}]\n"}
    (diagnostic,) = check(files)
    assert (diagnostic.code, diagnostic.severity) == ("moved-wrong", Severity.WARNING)
    assert diagnostic.message.startswith(message)
