"""Locks that other tools wrote are those of builders, or say why they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import _rattler, load_builder
from reconciler.builders._conda_lock import parse_conda_lock
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import LockFile

pytestmark = pytest.mark.fast

A, B, M = "a" * 64, "b" * 64, "c" * 32
PIP_LOCK = (
    f"iniconfig==2.1.0 \\\n    --hash=sha256:{A}\nsix==1.17.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
)
REQUIREMENTS = f"""# This file was made by uv
iniconfig==2.1.0 --hash=sha256:{A}  # via pytest
six==1.17.0 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via -r requirements.in
"""
PYLOCK = f"""
lock-version = "1.0"
[[packages]]
name = "iniconfig"
version = "2.1.0"
wheels = [{{ url = "https://host/iniconfig.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "six"
version = "1.17.0"
wheels = [
  {{ url = "https://host/six-a.whl", hashes = {{ sha256 = "{A}" }} }},
  {{ url = "https://host/six-b.whl", hashes = {{ sha256 = "{B}" }} }},
]
"""
PYTHON_URL = "https://conda.anaconda.org/conda-forge/linux-64/python-3.11.7-h1_0_cpython.conda"
NUMPY_URL = "https://mirror.example/own/linux-64/numpy-1.26.4-py311_0.conda"
SIX_URL = "https://files.example/six-1.17.0-py2.py3-none-any.whl"
CONDA_LOCK: Any = {
    "version": 1,
    "package": [
        *(
            {"name": "x", "version": "1", "manager": "conda", "platform": "linux-64", "url": url, "hash": hashes}
            for url, hashes in ((PYTHON_URL, {"sha256": A, "md5": M}), (NUMPY_URL, {"md5": M}))
        ),
        {
            "name": "python",
            "manager": "conda",
            "platform": "osx-64",
            "hash": {"sha256": B},
            "url": PYTHON_URL.replace("linux", "osx"),
        },
        {
            "name": "six",
            "version": "1.17.0",
            "manager": "pip",
            "platform": "linux-64",
            "url": SIX_URL,
            "hash": {"sha256": A},
        },
    ],
}
PIXI_LOCK: Any = {
    "version": 6,
    "environments": {
        "default": {"packages": {"linux-64": [{"conda": PYTHON_URL}, {"conda": NUMPY_URL}, {"pypi": SIX_URL}]}},
        "test": {"packages": {"linux-64": [{"pypi": "https://files.example/other.whl"}]}},
    },
    "packages": [
        {"conda": PYTHON_URL, "sha256": A, "md5": M},
        {"conda": NUMPY_URL, "md5": M},
        {"pypi": SIX_URL, "name": "six", "version": "1.17.0", "sha256": A},
        {"pypi": "https://files.example/other.whl", "name": "other", "version": "1", "sha256": B},
    ],
}


@pytest.fixture(autouse=True)
def _platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rattler, "machine_platform", lambda: "linux-64")
    monkeypatch.setattr("reconciler.builders._venv.machine_platform", lambda: "linux-64")


def accept(builder_type: str, file: LockFile, *pip: str) -> str:
    builder = load_builder({"type": builder_type}, Path("unused"))
    dependencies = ["python=3.11", {"pip": list(pip)}]
    spec = {"name": "x", "image": "python", "conda_file": {"channels": ["own"], "dependencies": dependencies}}
    return builder.accept_lock(builder.plan("environment/x", "f" * 64, spec), file)


def refusal(builder_type: str, file: LockFile, *pip: str) -> Diagnostic:
    with pytest.raises(UserError) as caught:
        accept(builder_type, file, *pip)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "lock-refused"
    return diagnostic


@pytest.mark.parametrize(
    "file",
    [LockFile("locks/requirements.txt", REQUIREMENTS), LockFile("pylock.toml", PYLOCK)],
    ids=lambda file: file.path,
)
@pytest.mark.parametrize("builder_type", ["venv", "docker"])
def test_a_lock_of_packages_of_pip_is_that_of_venv_and_of_docker(builder_type: str, file: LockFile) -> None:
    assert accept(builder_type, file, "six>=1.16") == PIP_LOCK


@pytest.mark.parametrize(
    "file",
    [LockFile("conda-lock.yml", "", CONDA_LOCK), LockFile("pixi.lock", "", PIXI_LOCK)],
    ids=lambda file: file.path,
)
def test_a_lock_of_conda_is_that_of_the_builder_conda_for_its_platform(file: LockFile) -> None:
    lock = parse_conda_lock("environment/x", accept("conda", file, "six"))
    assert [(item.name, item.version, item.channel, item.sha256, item.md5) for item in lock.packages] == [
        ("numpy", "1.26.4", "https://mirror.example/own", "", M),
        ("python", "3.11.7", "conda-forge", A, M),
    ]
    assert lock.pip_lock == f"six==1.17.0 \\\n    --hash=sha256:{A}\n"
    assert "has packages of conda: numpy" in refusal("venv", file).message


def test_a_pixi_lock_of_a_channel_in_a_folder_names_the_channel_and_one_with_sources_is_refused() -> None:
    path = "../channel/linux-64/python-3.11.7-0.tar.bz2"
    package = {"conda": path, "channel": "file:///srv/channel/", "sha256": A, "md5": M}

    def lock_of(*used: dict[str, object]) -> LockFile:
        environments = {"default": {"packages": {"linux-64": [*used]}}}
        return LockFile("pixi.lock", "", {"version": 7, "environments": environments, "packages": [package]})

    (locked,) = parse_conda_lock("environment/x", accept("conda", lock_of({"conda": path, "extras": ["a"]}))).packages
    assert (locked.channel, locked.file) == ("file:///srv/channel", "python-3.11.7-0.tar.bz2")
    assert "is no lock with versions" in refusal("conda", lock_of({"conda": path}, {"source": "./own"})).message


def test_a_lock_of_the_builder_conda_is_accepted_on_its_platform() -> None:
    written = accept("conda", LockFile("conda-lock.yml", "", CONDA_LOCK))
    assert accept("conda", LockFile("environments/x.lock.txt", written)) == written
    other = LockFile("environments/x.lock.txt", written.replace("linux-64", "osx-64"))
    assert refusal("conda", other).message.endswith("environments/x.lock.txt has no packages for linux-64")
    broken = LockFile("environments/x.lock.txt", written.replace("sha256:", "sha256:x"))
    assert refusal("conda", broken).message.endswith("is no lock with versions and hashes")


def test_a_lock_that_is_not_of_the_conda_file_is_refused() -> None:
    file = LockFile("requirements.txt", REQUIREMENTS)
    assert (
        "requirements.txt pins six 1.17.0, and the conda file requires six<1.17"
        in refusal("venv", file, "six<1.17").message
    )
    assert "has no numpy, and the conda file requires numpy" in refusal("venv", file, "numpy").message
    other = {**CONDA_LOCK, "package": CONDA_LOCK["package"][1:2]}
    assert "has no python=3.11, which" in refusal("conda", LockFile("conda-lock.yml", "", other)).message
    assert "has no packages of conda" in refusal("conda", file).message


@pytest.mark.parametrize(
    "file",
    [
        LockFile("requirements.txt", "six==1.17.0\n"),
        LockFile("requirements.txt", f"--index-url https://host\nsix==1.17.0 --hash=sha256:{A}\n"),
        LockFile("requirements.txt", f"six @ https://host/six.whl --hash=sha256:{A}\n"),
        LockFile("pylock.toml", "packages = 1"),
        LockFile("pylock.toml", "["),
        LockFile("pylock.toml", '[[packages]]\nname = "six"\nversion = "1"\n'),
        LockFile("conda-lock.yml", "", None),
        LockFile("conda-lock.yml", "", {"package": [{"platform": "linux-64"}]}),
        LockFile("pixi.lock", "", {"environments": {}}),
        LockFile("pixi.lock", "", {"environments": {"default": {"packages": {"win-64": []}}}, "packages": []}),
    ],
)
def test_what_is_no_lock_is_refused(file: LockFile) -> None:
    assert file.path in refusal("venv", file).message


@pytest.mark.parametrize(
    "start",
    ["https://someone:secret@host/own", "https://host/t/secret/own", "https://host/own?token=secret", "https://h\n/a"],
)
def test_a_lock_with_a_password_is_refused_and_never_recorded(start: str) -> None:
    package = {"name": "x", "version": "1", "manager": "conda", "platform": "linux-64", "hash": {"sha256": A}}
    document = {"package": [{**package, "url": f"{start}/linux-64/python-3.11.7-h1_0.conda"}]}
    refused = refusal("conda", LockFile("conda-lock.yml", "", document))
    assert refused.code == "lock-refused"
    assert "secret" not in f"{refused.message}{refused.hint}"
