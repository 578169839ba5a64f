"""What every builder keeps, run on each one that is found by name: a new builder is tested before its author starts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import builders
from reconciler.builders import Builder, BuiltEnvironment

ADDRESS = "environment/tiny"
UNKNOWN = "0" * 64
FINGERPRINT = "f" * 64
SPEC: Mapping[str, Any] = {
    "name": "tiny",
    "image": "example.com/ubuntu:22.04",
    "conda_file": {
        "channels": ["conda-forge"],
        "dependencies": ["python>=3.11", {"pip": ["six==1.17.0", "iniconfig>=2"]}],
        "variables": {"GREETING": "good day"},
    },
}

pytestmark = pytest.mark.slow


@pytest.fixture(params=builders.builder_names())
def builder(request: pytest.FixtureRequest, tmp_path: Path) -> Builder:
    return builders.load_builder(request.param, tmp_path)


def build(builder: Builder, lock: str = "") -> tuple[BuiltEnvironment, list[str]]:
    said: list[str] = []
    return builder.build(builder.plan_build(ADDRESS, FINGERPRINT, SPEC, lock), said.append), said


def run_in(made: BuiltEnvironment, code: str) -> str:
    """Run Python in an environment, found as a run finds it: through the PATH."""
    program = shutil.which("python", path=":".join(made.path_entries))
    assert program
    command = [program, "-c", code]
    return subprocess.run(command, env=dict(made.variables), capture_output=True, text=True, check=True).stdout.strip()


def test_a_builder_knows_its_name(builder: Builder, request: pytest.FixtureRequest) -> None:
    assert builder.name == request.node.callspec.params["builder"]


def test_rendering_is_deterministic_and_touches_nothing(builder: Builder, tmp_path: Path) -> None:
    before = json.dumps(SPEC)
    first = builder.plan_build(ADDRESS, FINGERPRINT, SPEC)
    assert first == builder.plan_build(ADDRESS, FINGERPRINT, json.loads(before))
    assert (first.address, first.fingerprint) == (ADDRESS, FINGERPRINT)
    assert json.dumps(SPEC) == before
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fingerprint_is_not_found(builder: Builder, tmp_path: Path) -> None:
    assert builder.find(UNKNOWN) is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_built_is_found_again_and_works(builder: Builder) -> None:
    made, said = build(builder)
    assert said
    assert builder.find(FINGERPRINT) == made
    assert builder.find(UNKNOWN) is None
    assert (
        run_in(made, "import six, iniconfig, os; print(six.__version__, os.environ['GREETING'])") == "1.17.0 good day"
    )
    assert run_in(made, "import platform; print(platform.python_version())") == made.python_version


def test_a_second_build_is_a_reuse(builder: Builder) -> None:
    made, _ = build(builder)
    assert build(builder) == (made, [])


def test_another_fingerprint_with_the_same_content_shares_the_environment(builder: Builder) -> None:
    made, _ = build(builder)
    other = builder.build(builder.plan_build(ADDRESS, UNKNOWN, SPEC), lambda _: None)
    assert (other.identity, other.prefix) == (made.identity, made.prefix)
    assert other.fingerprint == UNKNOWN


def test_a_recorded_lock_builds_the_same_again_elsewhere(builder: Builder, tmp_path: Path) -> None:
    made, _ = build(builder)
    elsewhere = builders.load_builder(builder.name, tmp_path / "elsewhere")
    again, _ = build(elsewhere, made.lock)
    assert (again.identity, again.lock, again.python_version) == (made.identity, made.lock, made.python_version)
    assert again.prefix != made.prefix


def test_a_half_made_environment_is_built_again(builder: Builder) -> None:
    made, _ = build(builder)
    marker = next(path for path in Path(made.prefix).glob("*.json"))
    marker.unlink()
    rubbish = Path(made.prefix) / "left-over"
    rubbish.touch()
    assert builder.find(FINGERPRINT) is None
    assert build(builder)[0] == made
    assert not rubbish.exists()
    assert builder.find(FINGERPRINT) == made


def test_a_build_can_be_written_as_json_and_counted_by_hash(builder: Builder) -> None:
    made, _ = build(builder)
    assert json.loads(json.dumps(builders.built_environment_to_json(made))) == builders.built_environment_to_json(made)
    hash(made)
