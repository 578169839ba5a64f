"""What the venv builder cannot do with a conda file, and at which entry."""

from __future__ import annotations

import platform

import pytest
import yaml

from reconciler.builders import load_builder
from reconciler.diagnostics import UserError

VENV = {"type": "venv"}

PIP = "dependencies:\n  - python>=3.11\n  - pip:\n    - six\n    - {}\n"
CASES = {
    "conda package": ("dependencies: [python=3.11, pytorch=2.1]", "/dependencies/1", "builder-cannot"),
    "conda package with a channel": ("dependencies: ['nvidia::cuda']", "/dependencies/0", "builder-cannot"),
    "requirements file": (PIP.format("-r requirements.txt"), "/dependencies/1/pip/1", "requirement-refused"),
    "constraints file": (PIP.format("'-c constraints.txt'"), "/dependencies/1/pip/1", "requirement-refused"),
    "index": (PIP.format("--extra-index-url https://x.y/z"), "/dependencies/1/pip/1", "requirement-refused"),
    "editable path": (PIP.format("'-e .'"), "/dependencies/1/pip/1", "requirement-refused"),
    "URL": (PIP.format("https://x.y/z.whl"), "/dependencies/1/pip/1", "requirement-refused"),
    "no requirement": (PIP.format("'a b c'"), "/dependencies/1/pip/1", "requirement-refused"),
    "version that cannot be parsed": ("dependencies: ['python>=x']", "/dependencies/0", "builder-cannot"),
    "Python twice": ("dependencies: ['python>=3.11', 'python<3.10']", "/dependencies/1", "builder-cannot"),
    "Python by two versions": ("dependencies: [python=3.11, python=3.12]", "/dependencies/1", "builder-cannot"),
    "package twice": (PIP.format("'six<1'").replace("- six", "- six>=1.16"), "/dependencies/1/pip/1", "builder-cannot"),
    "package by two names": (
        PIP.format("typing.extensions==4.1").replace("- six", "- typing_extensions==4.2"),
        "/dependencies/1/pip/1",
        "builder-cannot",
    ),
    "package in two lists": (
        "dependencies: [python, {pip: ['idna>=3']}, {pip: ['idna<3']}]",
        "/dependencies/2/pip/0",
        "builder-cannot",
    ),
    "variable": ("dependencies: [python]\nvariables: {a-b: c}", "/variables", "builder-cannot"),
}


def spec_of(text: str) -> dict:
    return {"image": "x", "conda_file": yaml.safe_load(text)}


@pytest.mark.parametrize("name", CASES)
def test_a_problem_has_the_pointer_of_its_entry_and_is_what_the_build_says(name):
    text, pointer, code = CASES[name]
    builder = load_builder(VENV)
    (problem,) = builder.check(spec_of(text))
    assert (problem.pointer, problem.code, problem.is_certain) == (f"/conda_file{pointer}", code, True)
    with pytest.raises(UserError) as error:
        builder.plan("environment/e", "f", spec_of(text))
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (code, f"environment/e: {problem.message}")


@pytest.mark.parametrize(
    "text",
    [
        "dependencies: ['python>=3.11', 'python<3.14', 'python!=3.12']",
        f"dependencies: [python={platform.python_version()}]",
        "dependencies: ['python>=3.11,<4', python>=3.11, pip, {pip: [six, 'six>=1']}]",
        PIP.format("six==1.16.0").replace("- six\n", "- six~=1.16\n"),
        PIP.format("'six>1; python_version<\"3.8\"'").replace("- six\n", "- six<1\n"),
        PIP.format("'idna<=3.4'").replace("- six\n", "- idna>=3.4\n"),
        PIP.format("'idna<3.4.2'").replace("- six\n", "- idna>3.4\n"),
        "{}",
        "dependencies: []",
    ],
)
def test_requirements_that_can_be_satisfied_together_are_fine(text):
    builder = load_builder(VENV)
    assert builder.check(spec_of(text)) == ()
    assert builder.plan("environment/e", "f", spec_of(text)).address == "environment/e"


def test_a_docker_context_is_a_problem_at_its_field():
    (problem,) = load_builder(VENV).check({"build": {"path": "."}})
    assert (problem.pointer, problem.code) == ("/build", "builder-cannot")


def test_a_python_that_this_machine_does_not_have_is_a_problem_that_is_not_certain():
    (problem,) = load_builder(VENV).check(spec_of("dependencies: [pip, python=3.99]"))
    assert (problem.pointer, problem.code) == ("/conda_file/dependencies/1", "python-not-found")
    assert not problem.is_certain


@pytest.mark.parametrize("spec", [{"image": "x"}, {"image": "x", "conda_file": "c.yml"}])
def test_an_environment_without_packages_has_no_problem(spec):
    assert load_builder(VENV).check(spec) == ()
