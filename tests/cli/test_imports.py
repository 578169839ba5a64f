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
    assert imported_by(applied, "plan") & {*HEAVY, *PROVIDERS, *PROTOCOLS, *OTHER_OUTPUTS, *WRITES} == set()
