"""What a command imports is what a person waits for; run with ``-s`` to see the modules of each command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import contextlib, io, json, sys
from reconciler.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main.main(sys.argv[1:], standalone_mode=False)
print(json.dumps(sorted(sys.modules)))
"""
PARSERS = {"yaml", "jsonschema_rs", "pathspec", "reconciler.format.rules", "reconciler.format.load"}
PROVIDERS = {"reconciler.engine", "reconciler.backends._local", "reconciler.builders._venv", "reconciler.runner"}
HEAVY = {"git", "rich", "dvc", "deepdiff", "jsonschema", "docker", "ruamel", "packaging", "multiprocessing"}
OTHER_OUTPUTS = {"reconciler.cli.json_events", "reconciler.render.markdown", "reconciler.project.saved_plan"}
PROTOCOLS = {f"reconciler.model.{name}" for name in ("backend", "builder", "object_store", "tasks")}
WRITES = {"reconciler.state.lease", "reconciler.state.history", "reconciler.planning.saved"}
TABLES = {"pyarrow", "reconciler.project.table_comparisons", "reconciler.render.table_comparisons", "reconciler.tables"}
READS = {*HEAVY, *PARSERS, *PROVIDERS, "reconciler.planning.pipeline", "reconciler.project.session"}


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that a command imports, as a process of its own, when what it reads is in the cache."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    modules = set(json.loads(run.stdout.splitlines()[-1]))
    ours = sorted(module for module in modules if module.startswith("reconciler"))
    print(f"mlgit {' '.join(arguments)}: {len(modules)} modules, of which ours: {', '.join(ours)}")
    return modules


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (("list",), READS),
        (("show", "data/numbers"), READS),
        (("log",), READS),
        (("job", "list"), READS),
        (("plan",), READS),
        (("status",), READS),
        (("status", "--format", "json"), {*HEAVY, *PARSERS}),
        (("validate",), {*HEAVY, *PARSERS, *PROVIDERS}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_in_an_unchanged_workspace_imports_only_what_it_uses(arguments, unused, applied):
    imported_by(applied, *arguments)
    assert imported_by(applied, *arguments) & unused == set()


def test_a_plan_after_one_edit_imports_no_provider_and_nothing_of_apply_or_other_outputs(applied):
    imported_by(applied, "plan")
    with (applied / "jobs/sum.yml").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    unused = {*HEAVY, *PROVIDERS, *PROTOCOLS, *OTHER_OUTPUTS, *WRITES, *TABLES}
    assert imported_by(applied, "plan") & unused == set()


def test_a_plan_of_a_table_that_changed_reads_it_in_another_process(applied):
    (applied / "data/numbers.csv").write_text("1\n2\n", "utf-8")
    modules = imported_by(applied, "plan")
    assert modules & {*HEAVY, *PROVIDERS, *PROTOCOLS, "pyarrow", "reconciler.tables.batches"} == set()
    assert TABLES - {"pyarrow"} <= modules


BUILDS = {
    "packaging",
    "filelock",
    "uv",
    "rattler",
    "tomllib",
    "reconciler.builders._venv",
    "reconciler.builders._prefixes",
}


def test_a_plan_after_one_edit_asks_for_finished_builds_without_loading_what_builds(applied):
    environment = applied / "environments/plain.yml"
    environment.parent.mkdir(exist_ok=True)
    environment.write_text("name: plain\nimage: python:3.11\nconda_file: {dependencies: [{pip: [six]}]}\n", "utf-8")
    imported_by(applied, "plan")
    with (applied / "jobs/sum.yml").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    modules = imported_by(applied, "plan") - {"deepdiff"}  # of the change of the environment
    assert modules & {*HEAVY, *PROVIDERS, *PROTOCOLS, *BUILDS} == set()
    assert "reconciler.builders._venv_find" in modules


POLICIES = """
policies:
  - name: described
    uses: owner-tag
    severity: warning
"""
EXPRESSION = """
  - name: not-many
    check: size(plan.actions) < 99
    message: too many
"""


def test_only_a_policy_with_an_expression_loads_what_compiles_expressions(small):
    (small / "policies").mkdir()
    (small / "policies/all.yml").write_text(POLICIES, "utf-8")
    modules = imported_by(small, "plan")
    assert "reconciler.policies.evaluation" in modules
    assert "reconciler.policies.expressions" not in modules
    assert not any(module.startswith("cel_expr_python") for module in modules)
    (small / "policies/all.yml").write_text(POLICIES + EXPRESSION, "utf-8")
    assert "reconciler.policies.expressions" in imported_by(small, "plan")
