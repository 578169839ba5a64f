"""Whatever mlgit shows, the variables that hold secrets are not in it; the job has them all the same."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, git

SECRET, OTHER = "hunter-two", "hunter-three"
PLANS = [("plan",), ("plan", "--format", "json"), ("plan", "--format", "github"), ("plan", "--format", "markdown")]


pytestmark = pytest.mark.slow


@pytest.fixture
def secretive(small):
    """Make a workspace whose job has a secret among its variables."""
    edit(small, "jobs/sum.yml", "command:", f"environment_variables: {{DB_PASSWORD: {SECRET}}}\ncommand:")
    commit(small)
    return small


def test_a_variable_that_looks_like_a_secret_is_a_warning(secretive, mlgit):
    validated = mlgit("validate", cwd=secretive)
    assert (validated.code, "DB_PASSWORD is a secret" in validated.out + validated.err) == (0, True)
    assert SECRET not in validated.out + validated.err


def test_nothing_that_is_shown_has_the_secret_in_it(secretive, mlgit):
    assert mlgit(*APPLY, cwd=secretive).code == 0
    edit(secretive, "jobs/sum.yml", SECRET, OTHER)
    shown = [mlgit(*result, cwd=secretive) for result in PLANS]
    assert "environment_variables.DB_PASSWORD changed" in shown[0].out
    assert mlgit("plan", "-o", "saved.json", cwd=secretive).code == 0
    looks = [("show", "job/sum"), ("list", "--format", "json"), ("status", "--format", "json"), ("show", "saved.json")]
    shown += [mlgit(*look, cwd=secretive) for look in looks]
    texts = [result.out + result.err for result in shown] + [(secretive / "saved.json").read_text()]
    assert all(result.code == 0 for result in shown)
    assert not [text for text in texts if SECRET in text or OTHER in text]


def test_an_import_writes_what_the_job_needs_and_does_not_show_it(secretive, mlgit):
    assert mlgit(*APPLY, cwd=secretive).code == 0
    git(secretive, "rm", "--quiet", "jobs/sum.yml", "models/total.yml")
    commit(secretive)
    looked = mlgit("import", "job/sum", "--dry-run", cwd=secretive)
    assert ("DB_PASSWORD: (secret)" in looked.out, SECRET in looked.out) == (True, False)
    assert mlgit("import", "job/sum", "--format", "json", cwd=secretive).out.count(SECRET) == 0
    assert SECRET in (secretive / "jobs/sum.yml").read_text()
