"""The smoke test of an environment: that its Python imports the modules which mlgit.yml names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from reconciler.builders._finished import python_path
from reconciler.builders._programs import run_command
from reconciler.model.builder import Built
from reconciler.model.tasks import Prefix

# Prints, as its last line, what is wrong with the first module that cannot be imported, or a blank.
IMPORT_SCRIPT = """
import contextlib, importlib, json, sys
failure = ""
with contextlib.redirect_stdout(sys.stderr):
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failure = f"{name}: {type(error).__name__}: {error}"
            break
print(json.dumps(failure), flush=True)
"""


def try_prefix_imports(built: Built, modules: Sequence[str]) -> str:
    """Return what is wrong with the first of the modules that a prefix cannot import; "" if it can import all."""
    if not isinstance(built.environment, Prefix):
        raise TypeError(built.environment)
    python = python_path(Path(built.environment.path))
    path = os.pathsep.join([*built.environment.path_entries, str(python.parent), os.environ.get("PATH", os.defpath)])
    environment = {"HOME": os.environ.get("HOME", ""), **built.environment.variables, "PATH": path}
    outcome = run_command([str(python), "-I", "-c", IMPORT_SCRIPT, *modules], environment)
    return read_import_failure(outcome.stdout, outcome.exit_code)


def read_import_failure(output: str, exit_code: int) -> str:
    """Return what the script has printed as its last line; one that did not come so far has failed as well."""
    if exit_code:
        return f"the interpreter ended with exit code {exit_code}"
    try:
        return str(json.loads(output.splitlines()[-1]))
    except (ValueError, IndexError, RecursionError):  # a module has ended the interpreter, or printed something
        return "the interpreter ended while it imported them"
