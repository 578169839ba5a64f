"""Which Python an environment is built with: the conda file, the image, and what mlgit.yml lets the build use."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import load_builder
from reconciler.builders._python import nearest_series, replace_python, wanted_series
from reconciler.diagnostics import UserError
from reconciler.model.builder import Builder, BuildPlan

OWN = ".".join(platform.python_version_tuple()[:2])
WINDOWS = "python:3.12-windowsservercore"


def builder_with(**pythons: str) -> Builder:
    series = {name.removeprefix("py").replace("_", "."): value for name, value in pythons.items()}
    return load_builder({"type": "venv", "pythons": series}, Path("unused"))


def plan(builder: Builder, **spec: Any) -> BuildPlan:
    return builder.plan("environment/x", "f", {"name": "x", **spec})


def conda(*dependencies: Any) -> dict[str, Any]:
    return {"dependencies": list(dependencies)}


@pytest.mark.parametrize(
    ("spec", "specifier"),
    [
        ({"image": "library/python:3.12"}, "==3.12.*"),
        ({"image": "python:3.11.6"}, "==3.11.*"),
        ({"image": "docker.io/python:3.10-slim"}, "==3.10.*"),
        ({"image": "python:3"}, "==3.*"),
        ({"image": "python"}, ""),
        ({"image": "ubuntu"}, ""),
        ({"image": "mcr.microsoft.com/azureml/minimal-py312-inference:latest"}, "==3.12.*"),
        ({"image": "python:3.10", "conda_file": conda("python=3.12")}, "==3.12.*"),
        ({"image": "python:3.10", "conda_file": conda("pip")}, "==3.10.*"),
        ({"image": "python:3.10", "conda_file": conda("python")}, "==3.10.*"),
        ({"image": "ubuntu", "conda_file": conda("pip")}, ""),
        ({"conda_file": conda("python>=3.9,<3.12")}, "<3.12,>=3.9"),
        ({}, ""),
    ],
)
def test_the_conda_file_says_which_python_and_else_the_image(spec, specifier):
    assert plan(builder_with(), **spec).requires_python == specifier


@pytest.mark.parametrize("spec", [{"image": WINDOWS}, {"image": WINDOWS, "conda_file": conda("python=3.11")}])
def test_a_windows_image_is_an_error_at_its_line(spec):
    (problem,) = builder_with().check(spec)
    assert (problem.pointer, problem.code, problem.is_certain) == ("/image", "builder-cannot", True)
    with pytest.raises(UserError, match="Windows image"):
        plan(builder_with(), **spec)


@pytest.mark.parametrize(
    ("declared", "pythons", "expected"),
    [
        ("==3.8.*", {"3.8": "3.11"}, ("==3.11.*", "3.8")),
        ("==3.8.13", {"3.8": "3.11"}, ("==3.11.*", "3.8")),
        (">=3.6,<3.9", {"3.8": "3.11"}, ("==3.11.*", "3.8")),
        (">=3.6,<3.10", {"3.8": "3.11", "3.9": "3.12"}, ("==3.12.*", "3.9")),
        ("~=3.8.1", {"3.8": "3.11"}, ("==3.11.*", "3.8")),
        ("==2.7.*", {"2.7": "3.11"}, ("==3.11.*", "2.7")),
        (">=3.8", {"3.8": "3.11"}, (">=3.8", "")),
        ("==3.9.*", {"3.8": "3.11"}, ("==3.9.*", "")),
        ("==3.10.*", {"3.1": "3.11"}, ("==3.10.*", "")),
        ("", {"3.8": "3.11"}, ("", "")),
        ("==3.8.*", {}, ("==3.8.*", "")),
    ],
)
def test_a_series_is_replaced_where_it_is_required_and_the_other_is_not_allowed(declared, pythons, expected):
    assert replace_python(declared, pythons) == expected


@pytest.mark.parametrize(
    ("specifier", "series"),
    [
        ("==3.8.*", "3.8"),
        ("==3.8.13", "3.8"),
        ("<3.9,>=3.6", "3.8"),
        ("<=3.7", "3.7"),
        (">3.98", "3.99"),
        ("==3.99.*", "3.99"),
        ("==2.*", "2.1"),
        (">=3.6,<3.9,!=3.8.*", "3.7"),
    ],
)
def test_the_wanted_series_is_the_newest_one_at_the_bounds(specifier, series):
    assert wanted_series(specifier) == series


@pytest.mark.parametrize(
    ("wanted", "available", "nearest"),
    [
        ("3.8", ["3.13", "3.11"], "3.11"),
        ("3.12", ["3.11", "3.13"], "3.11"),
        ("3.14", ["3.9", "3.10", "3.13"], "3.13"),
        ("2.7", ["3.11", "2.6"], "2.6"),
        ("3.8", [], ""),
    ],
)
def test_the_nearest_series_is_the_older_one_of_two(wanted, available, nearest):
    assert nearest_series(wanted, available) == nearest


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"image": "python:3.99"}, "/image"),
        ({"image": "python:3.99", "conda_file": conda("pip")}, "/image"),
        ({"image": "python:3.10", "conda_file": conda("pip", "python=3.99")}, "/conda_file/dependencies/1"),
    ],
)
def test_a_python_that_is_not_to_be_had_names_the_nearest_one_and_the_setting(spec, pointer):
    (problem,) = builder_with().check(spec)
    assert (problem.pointer, problem.code, problem.is_certain) == (pointer, "python-not-found", False)
    assert problem.message.startswith("there is no Python 3.99 on this machine; the nearest is 3.")
    nearest = problem.message.rpartition(" ")[2]
    assert f'write pythons: {{"3.99": "{nearest}"}} below builders: venv: in mlgit.yml' in problem.hint
    assert builder_with(py3_99=nearest).check(spec) == ()


@pytest.mark.parametrize("spec", [{"image": "python:3.99"}, {"conda_file": conda("python=3.99")}])
def test_what_mlgit_yml_lets_the_build_use_is_in_the_plan_of_the_build_and_in_a_note(spec):
    builder = builder_with(py3_99=OWN)
    made = plan(builder, **spec)
    assert (made.requires_python, made.declared_python) == (f"=={OWN}.*", "==3.99.*")
    assert made.variant == f"Python {OWN} instead of 3.99"
    (note,) = builder.notes(spec)
    assert f"Python {OWN} instead of 3.99, as mlgit.yml says" in note.text


def test_a_replacement_that_is_not_to_be_had_either_is_a_problem_that_names_both():
    (problem,) = builder_with(py3_8="3.98").check({"image": "python:3.8"})
    assert problem.message.endswith("(mlgit.yml names it instead of 3.8)")
    assert 'write pythons: {"3.8": "' in problem.hint


@pytest.mark.parametrize("pythons", [["3.8"], "3.8", {"3": "3.11"}, {"3.8": 3.11}, {"3.8": "3"}, {"3.8": "x"}, None])
def test_a_setting_that_is_invalid_replaces_nothing(pythons):
    builder = load_builder({"type": "venv", "pythons": pythons}, Path("unused"))
    assert plan(builder, image="python:3.8").instead_of == ""


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"image": "python:3.11.6"}, "Python 3.11 of this machine is used, not the image python:3.11.6"),
        ({"image": "ubuntu"}, "a Python of this machine is used, not the image ubuntu"),
        (
            {"image": "python:3.10", "conda_file": conda("pip")},
            "Python 3.10 of this machine is used, not the image python:3.10",
        ),
        (
            {"image": "python:3.10", "conda_file": conda("python=3.12")},
            "Python 3.12 of this machine is used, as the conda file says",
        ),
    ],
)
def test_a_note_says_which_python_is_used_in_the_place_of_an_image(spec, text):
    (note,) = builder_with().notes(spec)
    assert (note.pointers, note.text, note.is_usual) == (("/image",), text, True)


@pytest.mark.parametrize(
    ("image", "missing"),
    [
        ("pytorch/pytorch:2.1.0-cuda12.1", "torch and what else the image brings will be missing"),
        ("mcr.microsoft.com/azureml/minimal-py312-inference", "azureml-inference-server-http and what else"),
        ("team.azurecr.io/trainer:7", "what the image brings will be missing"),
    ],
)
def test_a_warning_says_what_of_an_image_will_be_missing(image, missing):
    (note,) = builder_with().notes({"image": image})
    assert (f"not the image {image}; {missing}" in note.text, note.is_usual) == (True, False)


@pytest.mark.parametrize("image", ["pytorch/pytorch", "ubuntu", "python:3.11", "python"])
def test_nothing_more_is_said_of_an_image_beside_a_conda_file_that_names_the_same_python(image):
    assert builder_with().notes({"image": image, "conda_file": conda("python=3.11")}) == ()
