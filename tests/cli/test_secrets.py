"""No output of mlgit has the value of a secret variable in it; the job gets it."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, git

SECRET, OTHER = "hunter-two", "hunter-three"
PLANS = [("plan",), ("plan", "--format", "json"), ("plan", "--format", "github"), ("plan", "--format", "markdown")]


pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(small):
    """Return a workspace whose job has a secret environment variable."""
    edit(small, "jobs/sum.yml", "command:", f"environment_variables: {{DB_PASSWORD: {SECRET}}}\ncommand:")
    commit(small)
    return small


def test_a_variable_with_the_name_of_a_secret_is_a_warning(workspace, mlgit):
    validated = mlgit("validate", cwd=workspace)
    assert (validated.code, "DB_PASSWORD is a secret" in validated.out + validated.err) == (0, True)
    assert SECRET not in validated.out + validated.err


def test_no_output_has_the_secret_in_it(workspace, mlgit):
    assert mlgit(*APPLY, cwd=workspace).code == 0
    edit(workspace, "jobs/sum.yml", SECRET, OTHER)
    outputs = [mlgit(*command, cwd=workspace) for command in PLANS]
    assert "environment_variables.DB_PASSWORD changed" in outputs[0].out
    assert mlgit("plan", "-o", "saved.json", cwd=workspace).code == 0
    commands = [
        ("show", "job/sum"),
        ("list", "--format", "json"),
        ("status", "--format", "json"),
        ("show", "saved.json"),
    ]
    outputs += [mlgit(*command, cwd=workspace) for command in commands]
    texts = [result.out + result.err for result in outputs] + [(workspace / "saved.json").read_text()]
    assert all(result.code == 0 for result in outputs)
    assert not [text for text in texts if SECRET in text or OTHER in text]


def test_an_import_writes_the_secret_to_the_file_and_does_not_print_it(workspace, mlgit):
    assert mlgit(*APPLY, cwd=workspace).code == 0
    git(workspace, "rm", "--quiet", "jobs/sum.yml", "models/total.yml")
    commit(workspace)
    preview = mlgit("import", "job/sum", "--dry-run", cwd=workspace)
    assert ("DB_PASSWORD: (secret)" in preview.out, SECRET in preview.out) == (True, False)
    assert mlgit("import", "job/sum", "--format", "json", cwd=workspace).out.count(SECRET) == 0
    assert SECRET in (workspace / "jobs/sum.yml").read_text()
