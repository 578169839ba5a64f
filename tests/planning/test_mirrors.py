"""Plans with `mirrors:`: the files of the workspace are what a URI stands for, and the plan says so at its line."""

from __future__ import annotations

import pytest
from planning.project import InMemoryProject, declared_by, edited, plan_options_of, small, tree_of

from reconciler.diagnostics import Span
from reconciler.planning.file_checks import check_files_together

pytestmark = pytest.mark.fast

URL = "https://example.org/data/n.csv"
MIRRORS = "mirrors: {'https://example.org/data/': mirror, 'wasbs://data@store.example.org': mirror}\n"


def workspace(line: str, before: str = "numbers: {type: uri_file, path: azureml:numbers@latest}", **files: str):
    base = {**small(), "mirror/n.csv": "n\n4\n", **{path.replace("__", "/"): text for path, text in files.items()}}
    return edited("jobs/sum.yml", before, line, {**base, "mlgit.yml": base["mlgit.yml"] + MIRRORS})


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (f"numbers: {{type: uri_file, path: '{URL}'}}", 35),
        ("numbers: {type: uri_file, path: 'wasbs://data@store.example.org/n.csv'}", 35),
        (f"numbers: {{type: uri_file, path: '{URL}', mode: direct}}", 35),
        (f"numbers: '{URL}'", 12),
        (f"numbers: {{value: '{URL}'}}", 20),
    ],
)
def test_a_uri_with_a_mirror_is_the_file_of_the_workspace_and_a_note_says_so(line, column):
    project, files = InMemoryProject(), workspace(line)
    plan = project.plan(files)
    (note,) = [note for note in plan.notes if "mirrors:" in note]
    assert note.startswith(f"job/sum: inputs.numbers (jobs/sum.yml:8:{column}): ")
    assert note.endswith("/n.csv is mirror/n.csv, as mirrors: in mlgit.yml says")
    (submit,) = plan.submissions
    assert submit.resolved
    assert [digest for digest in submit.resolved.contents.values() if digest.startswith("blob:")]
    project.converge(files)
    assert project.plan(files).actions == ()
    changed = {**files, "mirror/n.csv": "n\n5\n"}
    (submit,) = project.plan(changed).submissions
    assert submit.changed_files


def test_a_file_that_the_mirror_lacks_is_an_error_at_the_line_of_the_uri():
    files = workspace("numbers: {type: uri_file, path: 'https://example.org/data/other.csv'}")
    diagnostics = check_files_together(declared_by(files), plan_options_of(files).config, tree_of(files))
    (missing,) = [item for item in diagnostics if item.code == "path-missing"]
    assert missing.span == Span("jobs/sum.yml", 8, 35)
    assert "https://example.org/data/other.csv not found: mirror/other.csv does not exist" in missing.message
    assert "mirrors: in mlgit.yml" in missing.hint


@pytest.mark.parametrize("text", ["https://example.org/data/api", "https://example.org/other", "n.csv", "mirror/n.csv"])
def test_a_literal_without_a_file_in_the_mirror_stays_as_it_is(text):
    plan = InMemoryProject().plan(workspace(f"numbers: {text}"))
    assert plan.submissions
    assert not [note for note in plan.notes if "mirrors:" in note]


def test_data_with_a_mirror_is_registered_with_its_content():
    files = workspace("factor: 2", "factor: 2")
    files = edited("data/numbers.yml", "path: numbers.csv", f"path: {URL}", files)
    project = InMemoryProject()
    project.converge(files)
    assert project.plan(files).actions == ()
    plan = project.plan({**files, "mirror/n.csv": "n\n5\n"})
    assert "new-version data/numbers" in [str(action.key) for action in plan.actions]
