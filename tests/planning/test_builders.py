"""Which builder of mlgit.yml builds an environment, and why."""

from __future__ import annotations

import pytest

from reconciler.model.plugins import Form
from reconciler.planning.builders import BuilderCandidates, BuilderVerdict, choose_builders, describe_choices

VENV = BuilderVerdict("venv", Form.PREFIX)
DOCKER = BuilderVerdict("docker", Form.IMAGE)
ACCEPTS = {"local": frozenset({Form.PREFIX}), "box": frozenset({Form.IMAGE}), "any": frozenset(Form)}


def described(*verdicts: BuilderVerdict, backends: tuple[str, ...] = (), is_demanded: bool = False) -> str:
    candidates = BuilderCandidates(verdicts, ACCEPTS, is_demanded)
    return describe_choices(choose_builders(candidates, backends), ["venv"])


def test_a_builder_that_is_the_only_one_needs_no_reason() -> None:
    assert described(VENV) == "with venv"


def test_the_first_builder_that_can_build_an_environment_builds_it() -> None:
    assert described(VENV, DOCKER) == "with venv because it is the first builder of mlgit.yml"
    refused = VENV._replace(refusal="the venv builder does not support build")
    assert described(refused, DOCKER) == "with docker because the venv builder does not support build"


def test_a_builder_makes_what_the_backends_of_the_jobs_accept() -> None:
    assert (
        described(VENV, DOCKER, backends=("box",)) == "with docker because box runs nothing in a folder, as venv makes"
    )
    both = described(VENV, DOCKER, backends=("any", "local", "box"))
    assert both == "with venv for runs on any, local, with docker for runs on box"


def test_a_builder_that_mlgit_yml_demands_is_the_only_candidate() -> None:
    assert described(DOCKER, is_demanded=True) == "with docker because builder: in mlgit.yml says so"


@pytest.mark.parametrize("backends", [("box",), ("box", "local")])
def test_a_builder_that_no_backend_can_use_is_not_chosen_beside_one_that_can(backends: tuple[str, ...]) -> None:
    refused = DOCKER._replace(refusal="the docker builder cannot")
    choices = choose_builders(BuilderCandidates((VENV, refused), ACCEPTS), backends)
    assert [choice.builder for choice in choices] == ["venv"]
