"""Which builder of mlgit.yml builds an environment, and why."""

from __future__ import annotations

import pytest

from reconciler.model.plugins import Form
from reconciler.planning.builders import (
    BuilderCandidates,
    BuilderVerdict,
    choose_builder,
    choose_builders,
    describe_choices,
)

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
    reason = "the backend box runs no jobs in a folder, which is what venv makes"
    assert described(VENV, DOCKER, backends=("box",)) == f"with docker because {reason}"
    both = described(VENV, DOCKER, backends=("any", "local", "box"))
    assert both == "with venv for runs on any, local, with docker for runs on box"


def test_a_builder_that_mlgit_yml_demands_is_the_only_candidate() -> None:
    assert described(DOCKER, is_demanded=True) == "with docker because builder: in mlgit.yml says so"


@pytest.mark.parametrize("backends", [("box",), ("box", "local")])
def test_a_builder_that_no_backend_can_use_is_not_chosen_beside_one_that_can(backends: tuple[str, ...]) -> None:
    refused = DOCKER._replace(refusal="the docker builder cannot")
    choices = choose_builders(BuilderCandidates((VENV, refused), ACCEPTS), backends)
    assert [choice.builder for choice in choices] == ["venv"]


def test_a_folder_that_stays_on_its_machine_is_for_backends_of_that_machine_only():
    conda = BuilderVerdict("conda", Form.FIXED_PREFIX)
    accepts = {"local": frozenset({Form.PREFIX, Form.FIXED_PREFIX}), "gpu": frozenset({Form.PREFIX})}
    candidates = BuilderCandidates((conda, VENV), accepts)
    assert choose_builder(candidates, "local").builder == "conda"
    choice = choose_builder(candidates, "gpu")
    assert choice.builder == "venv"
    assert choice.why.startswith(
        "the backend gpu runs no jobs in a folder that stays on its machine, which is what conda"
    )
    assert choose_builder(BuilderCandidates((conda,), accepts), "gpu") is None
