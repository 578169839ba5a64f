"""The Python environment of a run: never the caller's, and a layer over the shared one that takes what a job writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from runner.conftest import Bench

from reconciler.builders._venv import VenvBuilder
from reconciler.model.builder import BuildPlan
from reconciler.model.tasks import Prefix
from reconciler.storage.folder_store import FolderStore

pytestmark = [pytest.mark.slow, pytest.mark.services]

CALLER = Path(sys.prefix)
PRINT_PREFIX = "import json, sys; print(json.dumps([sys.prefix, sys.path]))"


def snapshot(folder: Path, *, read: bool) -> Mapping[str, object]:
    """Return what is below a folder: the target of each link, the mode of all else, and of files the bytes.

    Without ``read``, the size and the time of the last change are taken for the bytes.
    """
    contents: dict[str, object] = {}
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *names)):
            status = path.lstat()
            if path.is_symlink():
                contents[str(path)] = path.readlink()
            elif path.is_dir():
                contents[str(path)] = status.st_mode
            else:
                data = path.read_bytes() if read else (status.st_size, status.st_mtime_ns)
                contents[str(path)] = (status.st_mode, data)
    return contents


def build(root: Path) -> Path:
    plan = BuildPlan("environment/x", "e" * 64, packages=("six",))
    environment = VenvBuilder(root).build(plan, FolderStore(root / "store"), lambda _: None).environment
    assert isinstance(environment, Prefix)
    return Path(environment.path)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an environment with a package, which several runs share."""
    return build(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Make the wheel of a package with a module and a script."""
    path = tmp_path / "wheels" / "offlinepackage-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "offlinepackage-1.0.dist-info"
    files = {
        "offlinepackage.py": "def main():\n    print('offlinepackage', __file__)\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: offlinepackage\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nofflinescript = offlinepackage:main\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path


@pytest.fixture
def run_in(bench: Any, shared: Path) -> Callable[..., str]:
    """Return a function that runs a command in the shared environment, from an activated one, and returns its log.

    Neither the shared environment nor the caller's may be changed.
    """
    bench.spec["environment"] = {"path": [str(shared / "bin")], "variables": {"VIRTUAL_ENV": str(shared)}}
    bench.variables |= {
        "PATH": f"{CALLER / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(CALLER),
        "CONDA_PREFIX": str(CALLER),
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONHOME": "",
        "UV_PROJECT_ENVIRONMENT": str(CALLER),
        "PIP_PREFIX": str(CALLER),
        "LD_LIBRARY_PATH": str(CALLER / "lib"),
        "SSL_CERT_DIR": str(CALLER / "ssl"),
    }

    def run(command: str, *, status: str = "completed") -> str:
        before = snapshot(shared, read=True), snapshot(CALLER, read=False)
        result = bench.run(command=f"exec 2>&1; {command}")
        assert result["status"] == status, bench.log()
        assert (snapshot(shared, read=True), snapshot(CALLER, read=False)) == before
        log: str = bench.log()
        return log

    return run


UV = Path(sys.executable).with_name("uv")
INSTALLS = {
    "pip": "pip install --no-index {wheel}",
    "python -m pip": "python -m pip install --no-index {wheel}",
    "pip3 without bytecode": "pip3 install --no-compile --no-index {wheel}",
    "uv": f"{UV} pip install --no-index {{wheel}}",
    "uv, with a python": f"{UV} pip install --python $(which python) --no-index {{wheel}}",
}


@pytest.mark.parametrize("install", INSTALLS.values(), ids=INSTALLS)
def test_what_a_job_installs_works_and_stays_in_the_layer_of_its_run(install, run_in, wheel, bench):
    use = "python -c 'import offlinepackage, six; offlinepackage.main()' && offlinescript"
    log = run_in(f"{install.format(wheel=wheel)} && {use}")
    assert log.count(f"offlinepackage {bench.folder}/environment/") == 2
    assert not (bench.folder / "environment").exists()


def test_a_job_installs_a_published_package_with_the_index_of_the_machine(run_in, bench):
    log = run_in("pip install --upgrade --force-reinstall six && python -c 'import six; print(six.__file__)'")
    assert f"{bench.folder}/environment/" in log.splitlines()[-1]


def test_what_a_job_removes_is_not_removed_from_the_shared_environment(run_in, shared):
    run_in("pip uninstall --yes six; python -m ensurepip; true")
    assert list(shared.glob("lib/python*/site-packages/six.py"))


@pytest.mark.parametrize("options", ["", "-O", "-I", "-I -OO", "-B"])
def test_a_job_that_imports_modules_leaves_no_bytecode(options, run_in, bench):
    bench.spec["code"] = [bench.row("mine.py", "")]
    modules = "six, pip._internal.cli.main"
    run_in(f'''python {options} -c "import sys; sys.path.append('.'); import mine, {modules}"''')
    assert list((bench.folder / "code").rglob("*.pyc")) == []


def test_the_packages_of_an_environment_are_compiled_when_it_is_built(shared):
    found = shared.glob("lib/python*/site-packages/**/*.py")
    sources = [path for path in found if "/site-packages/pip/" not in path.as_posix()]  # which few runs use
    compiled = {path.name.partition(".")[0] for path in shared.glob("lib/python*/site-packages/**/*.pyc")}
    assert {path.stem for path in sources} <= compiled | {"activate_this"}


def test_the_python_of_a_run_is_that_of_its_layer(run_in, bench, shared):
    prefix, path = json.loads(run_in(f"python -c '{PRINT_PREFIX}'"))
    assert prefix == f"{bench.folder}/environment/0"
    assert any(entry.startswith(str(shared)) for entry in path)
    assert not any(entry.startswith(str(CALLER)) for entry in path)


def test_no_variable_of_a_run_leads_into_the_environment_of_the_caller(run_in):
    variables = run_in("env")
    assert str(CALLER) not in variables
    assert not [line for line in variables.splitlines() if line.startswith(("PYTHONPATH=", "PYTHONHOME=", "UV_"))]


def test_a_job_without_an_environment_does_not_get_that_of_the_caller(run_in, bench, wheel):
    bench.spec["environment"] = {"path": [], "variables": {}}
    log = run_in(f"pip install --no-index {wheel}; env; test -z \"$(command -v python)\" || python -c '{PRINT_PREFIX}'")
    assert str(CALLER) not in log
    assert "Successfully installed" not in log


def test_scripts_and_files_of_the_shared_environment_are_those_of_the_layer(bench, wheel, tmp_path):
    prefix = build(tmp_path)
    python = prefix / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", wheel], check=True)
    (prefix / "share").mkdir()
    (prefix / "share" / "data.txt").write_text("shared data\n")
    before = snapshot(prefix, read=True)
    bench.spec["environment"] = {"path": [str(prefix / "bin")], "variables": {"VIRTUAL_ENV": str(prefix)}}
    command = "head -1 $(which offlinescript) && offlinescript && cat $VIRTUAL_ENV/share/data.txt"
    assert bench.run(command=f"{command} && echo new > $VIRTUAL_ENV/share/new.txt")["status"] == "completed"
    assert bench.log().splitlines() == [
        f"#!{bench.folder}/environment/0/bin/python",
        f"offlinepackage {next(prefix.glob('lib/python*/site-packages/offlinepackage.py'))}",
        "shared data",
    ]
    assert snapshot(prefix, read=True) == before


def test_a_layer_in_a_folder_whose_path_is_long_and_has_spaces_works(tmp_path, shared, wheel):
    bench = Bench(tmp_path / ("a folder " + "x" * 150))
    bench.spec["environment"] = {"path": [str(shared / "bin")], "variables": {}}
    result = bench.run(command=f"pip install --no-index '{wheel}' && offlinescript && pip --version")
    assert result["status"] == "completed", bench.log()
