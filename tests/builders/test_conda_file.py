"""What the venv builder uses of a conda file, and what is an error before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import load_builder
from reconciler.builders._conda_file import read_conda_file
from reconciler.diagnostics import UserError
from reconciler.model.builder import BuildPlan

VENV = {"type": "venv"}


def plan_build(*dependencies: Any, **spec: Any) -> BuildPlan:
    asset = {"name": "x", "conda_file": {"dependencies": list(dependencies)}, **spec}
    return load_builder(VENV, Path("unused")).plan("environment/x", "f" * 64, asset)


def errors(*dependencies: Any, **spec: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        plan_build(*dependencies, **spec)
    return [f"{diagnostic.code}: {diagnostic.message}" for diagnostic in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("python", ""),
        ("python *", ""),
        ("python=3.11", "==3.11.*"),
        ("python = 3.11", "==3.11.*"),
        ("python==3.11", "==3.11.*"),
        ("python==3.11.4", "==3.11.4"),
        ("python=3.11.4", "==3.11.4.*"),
        ("python 3.11.*", "==3.11.*"),
        ("python 3.11", "==3.11.*"),
        ("Python=3.11", "==3.11.*"),
        ("python>=3.11", ">=3.11"),
        ("python>=3.11,<3.13", "<3.13,>=3.11"),
        ("python >=3.11, <3.13", "<3.13,>=3.11"),
        ("python~=3.11", "~=3.11"),
        ("python!=3.12.*", "!=3.12.*"),
        ("python[version='>=3.11']", ">=3.11"),
        ("conda-forge::python=3.11.4=h2628c8c_0_cpython", "==3.11.4.*"),
    ],
)
def test_a_python_version_is_read_as_conda_reads_it(written: str, specifier: str) -> None:
    assert plan_build(written).requires_python == specifier


@pytest.mark.parametrize(
    "written",
    ["python=3.11|3.12", "python=three", "python>>3", "python=", "python>=3.11<3.13", "python=3." + "1" * 5000],
)
def test_an_invalid_python_version_is_an_error(written: str) -> None:
    assert errors(written) == [f"builder-cannot: environment/x: the version in '{written}' cannot be parsed"]


def test_pip_setuptools_and_wheel_come_from_pip() -> None:
    assert plan_build("pip=23.2", "setuptools", "wheel>=0.40", "pip").packages == (
        "pip==23.2.*",
        "setuptools",
        "wheel>=0.40",
        "pip",
    )


def test_extras_markers_and_comments_are_parsed() -> None:
    entries = [
        "pandas[performance]>=2,<3",
        'tomli; python_version < "3.11"',
        "six  # for old times",
        "# nothing",
        "six",
    ]
    packages = plan_build({"pip": entries}).packages
    assert packages == ("pandas[performance]<3,>=2", 'tomli; python_version < "3.11"', "six")


@pytest.mark.parametrize("entry", ["pytorch=2.1", "nvidia::cuda", "cudatoolkit", "_libgcc_mutex=0.1"])
def test_a_conda_package_is_an_error(entry: str) -> None:
    assert errors(entry) == [
        f"builder-cannot: environment/x: the venv builder cannot install the conda package '{entry}'"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        *("-r requirements.txt", "-e .", "--extra-index-url https://host/simple", "--index-url=https://host/simple"),
        *("six --hash=sha256:00", "-e git+https://host/repository.git", "--find-links ./wheels", "-cconstraints.txt"),
        *("./package", "../package", "/opt/package", "package/", "~/package", "package-1.0-py3-none-any.whl"),
        *("https://host/package.tar.gz", "git+https://host/repository.git", "six @ https://host/six.whl"),
        *("six @ file:///opt/six", "package.tar.gz", "C:\\package"),
        *("six==", "two words", "-", "six; nonsense", "${PACKAGE}"),
    ],
)
def test_an_entry_that_could_run_code_or_is_not_a_requirement_is_an_error(entry: str) -> None:
    assert [message.partition(":")[0] for message in errors({"pip": [entry]})] == ["requirement-refused"]


def test_credentials_in_an_invalid_entry_are_redacted() -> None:
    entries = [
        "--index-url https://me:hunter2@host/simple",
        "--index-url=https://me:hunter2@host/simple",
        "six @ https://me:hunter2@host/six.whl?sig=hunter2",
        "git+https://hunter2@host/repository.git",
        "-ihttps://me:hunter2@host/simple",
    ]
    messages = errors({"pip": entries})
    assert len(messages) == len(entries)
    assert "hunter2" not in "".join(messages)


def test_all_errors_are_reported_at_once() -> None:
    assert len(errors("pytorch", "python=x", {"pip": ["-e ."]}, 7, {"npm": ["left-pad"]})) == 5


def test_a_docker_context_is_an_error() -> None:
    assert errors(build={"path": "."}) == [
        "builder-cannot: environment/x: the venv builder cannot build a Docker context ('build')"
    ]


def test_an_environment_with_only_an_image_has_no_packages() -> None:
    request = load_builder(VENV, Path("unused")).plan("environment/x", "f", {"name": "x", "image": "ubuntu:22.04"})
    assert (request.requires_python, request.packages) == ("", ())


@pytest.mark.parametrize("conda_file", [{}, {"dependencies": None}, {"dependencies": [{"pip": None}]}])
def test_an_empty_conda_file_has_no_packages(conda_file: dict[str, Any]) -> None:
    assert plan_build(conda_file=conda_file).packages == ()


def test_variables_of_the_conda_file_are_used() -> None:
    assert plan_build(conda_file={"variables": {"THREADS": 4, "UNSET": None}}).variables == {"THREADS": "4"}
    assert errors(conda_file={"variables": {"A B": 1}}) == [
        "builder-cannot: environment/x: 'A B' is not a valid name of an environment variable"
    ]


@pytest.mark.parametrize("line", ["-e ./six", "six @ file:///six", "six==1.17.0", "--index-url https://host/simple"])
def test_a_lock_that_could_run_code_is_an_error(line: str) -> None:
    with pytest.raises(UserError, match="recorded lock has a line"):
        load_builder(VENV, Path("unused")).plan("environment/x", "f", {"name": "x"}, lock=f"{line}\n")


@pytest.mark.parametrize(
    "entry", ["numpy[url=file:///etc/x.zip]", "numpy[md5=a, channel='file:///etc']", "numpy\n--x", "numpy=1\x1b[0m"]
)
def test_an_entry_that_names_where_a_package_is_read_is_refused_by_the_builder_conda(entry):
    (problem,) = read_conda_file({"dependencies": [entry]}, runs_conda=True).problems
    assert problem.code == "requirement-refused"
    assert read_conda_file({"dependencies": ["numpy[build=py3*]"]}, runs_conda=True).problems == ()
