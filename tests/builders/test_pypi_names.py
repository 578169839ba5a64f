"""Packages of conda that PyPI has under the same name are taken from there; others are errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import load_builder
from reconciler.model.builder import BuildNote, BuildProblem

pytestmark = pytest.mark.fast

BUILDER = load_builder({"type": "venv"}, Path("unused"))
SPECIFIERS = {
    "numpy": "numpy",
    "numpy *": "numpy",
    "numpy=1.21": "numpy==1.21.*",
    "numpy=1.21.*": "numpy==1.21.*",
    "numpy==1.21": "numpy==1.21",
    "numpy=1.21.2": "numpy==1.21.2.*",
    "scikit-learn==1.5.0": "scikit-learn==1.5.0",
    "scikit-learn = 1.5": "scikit-learn==1.5.*",
    "pandas>=1.1,<1.2": "pandas<1.2,>=1.1",
    "pandas[version='>=1.1']": "pandas>=1.1",
    "Pillow": "pillow",
    "conda-forge::numpy": "numpy",
    "conda-forge::numpy=1.21": "numpy==1.21.*",
    "conda-forge/linux-64::numpy>=1.21": "numpy>=1.21",
    "numpy=1.21=py38_0": "numpy==1.21.*",
    "numpy=1.21.2=py38h20f2e39_0": "numpy==1.21.2.*",
    "ruamel.yaml=0.17": "ruamel.yaml==0.17.*",
    "typing_extensions": "typing_extensions",
    "imbalanced-learn=0.12": "imbalanced-learn==0.12.*",
    "pytorch-lightning": "pytorch-lightning",
}
HINTS = {
    "pytorch=2.1": "PyPI has it as torch: write that under 'pip:'",
    "pytorch::pytorch": "PyPI has it as torch: write that under 'pip:'",
    "opencv": "PyPI has it as opencv-python-headless: write that under 'pip:'",
    "tensorflow-gpu=2.4": "PyPI has it as tensorflow: write that under 'pip:'",
    "python-graphviz": "PyPI has it as graphviz: write that under 'pip:'",
    "pytables": "PyPI has it as tables: write that under 'pip:'",
    "cudatoolkit=11.3": "packages of PyPI bring what they need of it: remove it",
    "pytorch-cuda=12.1": "packages of PyPI bring what they need of it: remove it",
    "nomkl": "packages of PyPI bring what they need of it: remove it",
    "graphviz": "if PyPI has it, write it under 'pip:' with its name there",
    "r-base=4.1": "if PyPI has it, write it under 'pip:' with its name there",
    "gdal": "if PyPI has it, write it under 'pip:' with its name there",
    "no-such-package": "if PyPI has it, write it under 'pip:' with its name there",
}


def spec_of(*dependencies: Any) -> dict[str, Any]:
    return {"name": "x", "image": "ubuntu", "conda_file": {"dependencies": list(dependencies)}}


def problems(*dependencies: Any) -> tuple[BuildProblem, ...]:
    return BUILDER.check(spec_of(*dependencies))


def notes(*dependencies: Any) -> list[BuildNote]:
    return [note for note in BUILDER.notes(spec_of(*dependencies)) if note.pointers[0] != "/image"]


@pytest.mark.parametrize("entry", SPECIFIERS)
def test_a_package_that_pypi_has_too_is_a_requirement_of_pip(entry):
    assert problems(entry) == ()
    assert BUILDER.plan("environment/x", "f", spec_of(entry)).packages == (SPECIFIERS[entry],)


@pytest.mark.parametrize("entry", HINTS)
def test_a_package_of_conda_alone_is_an_error_with_the_way_on(entry):
    (problem,) = problems("numpy", entry)
    assert (problem.pointer, problem.code, problem.is_certain) == ("/conda_file/dependencies/1", "builder-cannot", True)
    assert problem.message == f"the venv builder cannot install the conda package '{entry}'"
    assert problem.hint.startswith(HINTS[entry])
    assert "a builder that runs conda" in problem.hint


@pytest.mark.parametrize("entry", ["numpy=x", "numpy=1.21|1.22", "pytz=2021a.b.c", "numpy>1.0<2", "numpy="])
def test_a_version_that_cannot_be_parsed_is_an_error(entry):
    (problem,) = problems(entry)
    assert problem.message == f"the version in '{entry}' cannot be parsed"


def test_versions_of_a_package_from_conda_and_from_pip_must_agree():
    assert problems("numpy=1.21", {"pip": ["numpy>=1.21,<2"]}) == ()
    (problem,) = problems("scikit_learn=1.4", {"pip": ["scikit-learn==1.5.0"]})
    assert (problem.pointer, "contradict each other" in problem.message) == ("/conda_file/dependencies/1/pip/0", True)


def test_a_plan_says_which_packages_come_from_pypi_instead():
    (note,) = notes("python=3.11", "numpy=1.21", "conda-forge::pandas", "pip", "setuptools", {"pip": ["six"]})
    assert note.text == "numpy, pandas: from PyPI, not from conda"
    assert note.pointers == ("/conda_file/dependencies/1", "/conda_file/dependencies/2")


def test_a_plan_says_that_a_build_of_conda_is_not_used():
    texts = {note.pointers: note.text for note in notes("python=3.11.4=h2628c8c_0", "numpy=1.21=py38_0", "six=1.16=*")}
    first, second = ("/conda_file/dependencies/0",), ("/conda_file/dependencies/1",)
    assert texts[first] == "python=3.11.4=h2628c8c_0: any build of that version, not h2628c8c_0"
    assert texts[second] == "numpy=1.21=py38_0: any build of that version, not py38_0"
    assert len(texts) == 3


@pytest.mark.parametrize("dependencies", [[], ["python=3.11"], ["pip", {"pip": ["numpy"]}], ["python", "wheel"]])
def test_there_is_no_note_where_pip_installs_it_anyway(dependencies):
    assert notes(*dependencies) == []


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("-r requirements.txt", "write the packages of that file into this list"),
        ("--requirement=requirements.txt", "write the packages of that file into this list"),
        ("-c constraints.txt", "write the packages of that file into this list"),
        ("--extra-index-url https://example.com/simple", "configure an index on the machine that builds (UV_INDEX"),
        ("--index-url=https://example.com/simple", "configure an index on the machine that builds (UV_INDEX"),
        ("-e .", "put code of the repository into the job's 'code'"),
        ("git+https://example.com/a.git", "put code of the repository into the job's 'code'"),
    ],
)
def test_an_entry_of_pip_that_is_refused_has_a_way_on(entry, hint):
    (problem,) = problems({"pip": [entry]})
    assert (problem.code, hint in problem.hint) == ("requirement-refused", True)
