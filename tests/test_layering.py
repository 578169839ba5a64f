"""The structure that docs/architecture.md describes: allowed imports, the home of each library, limits of size."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from reconciler.cli import COMMANDS
from reconciler.format.kinds import kinds

Node = TypeVar("Node", bound=ast.AST)

PACKAGE = Path(__file__).parent.parent / "reconciler"

# What the modules of a package may import of ours, besides those of their own package and of EVERYBODYS.
EVERYBODYS = {"__version__", "abbreviation", "diagnostics", "model", "timestamps"}
PURE_IMPORTS = {
    "model": set(),
    "sweeps": set(),  # functions of what is recorded
    "secrets": set(),
    "catalogue": {"format", "package_files"},
    "format": {"secrets", "package_files", "sweeps"},  # its rules check what sweeps can do
    "config": {"format"},
    "planning": {"catalogue", "config", "format", "secrets"},
    "policies": {"format", "bounded_call"},  # an expression can need any amount of memory
    "render": {"planning", "format", "secrets", "package_files"},
}
EDGE_IMPORTS = {
    "git": {"secrets"},
    "storage": {"registry", "regular_files"},
    "builders": {"registry", "secrets", "docker_engine", "docker_socket", "private_files", "regular_files"},
    "github": {"storage", "regular_files"},  # downloads artifacts as any file behind a URL
    "runner": set(),
    "tracking": {"secrets"},
    "resources": {"registry"},
    "tables": {"runner"},  # a parallel step reads text by the same rules
    "backends": {"docker_engine", "docker_socket", "runner", "storage", "registry", "private_files", "regular_files"},
    "state": {"git", "format", "private_files", "regular_files"},
    "source": {"git", "format", "config", "secrets", "package_files", "private_files", "regular_files"},
}
JOINING_IMPORTS = {
    "engine": {
        "git",
        "storage",
        "builders",
        "runner",
        "backends",
        "resources",
        "state",
        "planning",
        "format",
        "config",
        "private_files",
        "secrets",
        "tracking",
        "sweeps",  # the driver asks it which trials to start and to stop
    },
    "operations": {"state", "source", "planning", "config", "format", "secrets"},
    "project": {
        *("git", "storage", "builders", "backends", "resources", "state", "source", "engine"),
        *("planning", "policies", "render", "catalogue", "format", "config", "secrets", "sweeps"),
        *("package_files", "regular_files", "registry", "secret_values", "tables"),
    },
    "controller": {"project", "engine", "source", "git", "planning", "format"},
}
ALLOWED = {
    "__init__": set(),
    "abbreviation": set(),
    "bounded_call": set(),
    "package_files": set(),
    "diagnostics": set(),
    "docker_engine": {"docker_socket"},
    "docker_socket": set(),
    "private_files": set(),
    "registry": set(),
    "regular_files": set(),
    "secret_values": {"regular_files"},
    "timestamps": set(),
    **PURE_IMPORTS,
    **EDGE_IMPORTS,
    **JOINING_IMPORTS,
    "cli": {
        *PURE_IMPORTS,
        *JOINING_IMPORTS,
        "git",
        "state",
        "source",
        "backends",
        "github",
        "package_files",
        "regular_files",
    },
    "__main__": {"cli"},
}
PURE = (*PURE_IMPORTS, "abbreviation", "diagnostics")
# What the pure part must not know: processes, the network, the clock, chance, the environment, the disk.
IMPURE = {
    "subprocess",
    "socket",
    "time",
    "datetime",
    "random",
    "secrets",
    "os",
    "tempfile",
    "shutil",
    "pathlib",
    "uuid",
}
HOMES = {
    **dict.fromkeys(("adlfs", "azure", "s3fs", "sshfs", "smbclient", "smbprotocol"), "storage"),
    "asyncssh": {"storage", "backends"},
    "git": "git",
    "github": "github",
    "jsonschema": "format",
    "referencing": "format",
    "ruamel": "format",
    "yaml": "format",
    "jsonschema_rs": "format",
    "click": "cli",
    "rich": "cli",
    "fsspec": "storage",
    "keyring": "secret_values",
    "dvc": "storage",
    "dvc_data": "storage",
    "dvc_objects": "storage",
    "requests": {"storage", "docker_engine", "builders", "tracking"},  # whose errors the SDK of Docker raises
    "urllib3": {"storage", "builders"},  # whose errors the SDK of Docker raises, too, in the middle of an answer
    "deepdiff": "planning",
    "plotille": "render",
    "docker": {"docker_engine", "builders", "backends"},
    "uv": "builders",
    "rattler": "builders",
    "prometheus_client": "controller",
    "cel_expr_python": "policies",
    "optuna": "sweeps",
    "pyarrow": "tables",
    "scipy": "sweeps",
}
# The places that load by name, and say so in their first lines.
BY_NAME = {
    "backends/_local_capacity.py",
    "backends/_ssh.py",
    "builders/_docker.py",
    "builders/_venv_find.py",
    "cli/__init__.py",
    "cli/_transfer.py",
    "cli/ci.py",
    "cli/_job_argument.py",
    "cli/_job_metrics.py",
    "cli/_plan.py",
    "cli/_status.py",
    "cli/console.py",
    "cli/data.py",
    "cli/env.py",
    "cli/github.py",
    "cli/job.py",
    "cli/list.py",
    "cli/plan.py",
    "cli/show.py",
    "cli/state_session.py",
    "cli/status.py",
    "cli/validate.py",
    "config/version.py",
    "engine/dvc_contents.py",
    "engine/locations.py",
    "format/document.py",
    "format/ignore.py",
    "format/kinds/__init__.py",
    "format/model_files.py",
    "format/path_content.py",
    "format/schemas.py",
    "format/yaml.py",
    "docker_socket.py",
    "git/repository.py",
    "planning/diff.py",
    "planning/jobs/__init__.py",
    "policies/compiler.py",
    "policies/expressions.py",
    "project/forecasts.py",
    "project/policy_files.py",
    "project/pull_request.py",
    "project/session.py",
    "project/state_session.py",
    "project/table_comparisons.py",
    "project/tracking.py",
    "registry.py",
    "render/content_changes.py",
    "runner/modules.py",
    "runner/parallel/frames.py",
    "runner/ray_cluster.py",
    "runner/ray_command.py",
    "runner/ray_launcher.py",
    "runner/ray_node.py",
    "runner/tracking/session.py",
    "runner/workdir.py",
    "secret_values.py",
    "source/cached_parse.py",
    "source/implicit_workspace.py",
    "source/parse.py",
    "source/validation.py",
    "storage/_filesystems.py",
    "storage/_remote_grants.py",
    "storage/folder_store.py",
    "sweeps/bayesian.py",
    "sweeps/random_sampling.py",
}
# Commands are named after kinds, as in az ml.
COMMAND_NAMES = {"cli/job.py"}


@cache
def modules() -> Mapping[str, ast.Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def imports(name: str) -> Iterator[tuple[int, str]]:
    package = ["reconciler", *name.split("/")[:-1]]
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def part(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def top(imported: str) -> str:
    return imported.partition(".")[0]


def imported_by(*parts: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place of each import, its package, and the imported name."""
    for name in modules():
        if not parts or part(name) in parts:
            yield from ((f"{name}:{line}", part(name), imported) for line, imported in imports(name))


def nodes(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    """Yield every node of a kind with the module it stands in."""
    for name, tree in modules().items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kind))


def test_a_package_imports_what_the_table_allows():
    wrong = []
    for where, own, imported in imported_by():
        if imported.startswith("reconciler."):
            package = imported.split(".")[1]
            if package != own and package not in EVERYBODYS | ALLOWED[own]:
                wrong.append(f"{where} imports {imported}")
    assert wrong == []


def test_an_edge_never_imports_the_planner_or_the_renderer():
    assert all({"planning", "render"}.isdisjoint(EDGE_IMPORTS[package]) for package in EDGE_IMPORTS)


def test_pure_packages_import_no_input_or_output():
    assert [f"{where} imports {imported}" for where, _, imported in imported_by(*PURE) if top(imported) in IMPURE] == []


def homes(imported: str, own: str) -> set[str]:
    home = HOMES.get(top(imported), own)
    return {home} if isinstance(home, str) else home


def test_each_library_has_its_home():
    misplaced = [
        f"{where} imports {imported}" for where, own, imported in imported_by() if own not in homes(imported, own)
    ]
    assert misplaced == []


def test_the_runner_needs_the_standard_library_alone():
    known = sys.stdlib_module_names | {"reconciler"}
    assert [
        f"{where} imports {imported}" for where, _, imported in imported_by("runner") if top(imported) not in known
    ] == []
    ours = [imported for _, _, imported in imported_by("runner") if top(imported) == "reconciler"]
    assert [our for our in ours if not our.startswith("reconciler.runner")] == []


def test_no_import_stands_in_a_function():
    violations = [
        f"{name}:{inner.lineno}"
        for name, function in nodes(ast.FunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert violations == []


def test_only_the_named_places_load_by_name():
    loading = {where.partition(":")[0] for where, _, imported in imported_by() if imported == "importlib"}
    assert loading == BY_NAME


def names_a_kind(node: ast.Compare) -> bool:
    return any(
        isinstance(comparator, ast.Constant) and comparator.value in kinds()
        for comparator in (node.left, *node.comparators)
    )


def test_nothing_compares_a_kind_with_a_literal():
    violations = []
    for name, node in nodes(ast.Compare):
        literal = any(
            isinstance(comparator, ast.Constant) and comparator.value in kinds()
            for comparator in (node.left, *node.comparators)
        )
        if (
            literal
            and "kind" in ast.unparse(node)
            and not name.startswith("format/kinds/")
            and name not in COMMAND_NAMES
        ):
            violations.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert violations == []


def test_nothing_below_the_command_line_prints():
    calls = [(name, node) for name, node in nodes(ast.Call) if part(name) != "cli"]
    assert [name for name, call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"] == []


def test_only_the_console_prints_so_that_no_text_reaches_the_output_unchecked():
    printing = {
        f"{name}: {ast.unparse(call.func)}"
        for name, call in nodes(ast.Call)
        if part(name) == "cli"
        and ast.unparse(call.func) in {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}
    }
    assert printing == {"cli/console.py: click.echo", "cli/console.py: click.secho"}


def test_a_module_says_why_it_exists():
    assert [name for name, tree in modules().items() if not ast.get_docstring(tree)] == []


def test_a_module_has_one_job():
    lengths = {name: len((PACKAGE / name).read_text("utf-8").splitlines()) for name in modules()}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def loaded_by(code: str) -> set[str]:
    """Return the modules that are loaded after running code in a process of its own."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return {top(load) for load in json.loads(out.splitlines()[-1])}


def test_help_loads_click_and_nothing_else():
    before = loaded_by("import click")
    code = "import reconciler.cli as c, contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): "
    after = loaded_by(f"{code}c.main.main(['--help'], standalone_mode=False)")
    ours = {name for name in after - before if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert ours == {"reconciler"}


@pytest.mark.parametrize(
    ("command", "heavy"),
    [
        ("validate", {"docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
        ("plan", {"git", "yaml", "rich", "jsonschema_rs", "pathspec"}),
        ("_plan", {"docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
        ("status", {"git", "docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
        ("list", {"git", "docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
        ("show", {"git", "docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
        ("job", {"git", "docker", "dvc", "dvc_data", "deepdiff", "ray", "mlflow", "uv"}),
    ],
)
def test_a_command_does_not_load_what_it_does_not_use(command, heavy):
    assert not heavy & loaded_by(f"import reconciler.cli.{command}")


def test_every_command_has_its_module():
    for name in COMMANDS:
        assert f"cli/{name}.py" in modules()
