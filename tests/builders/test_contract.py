"""What every builder guarantees: these tests run on each builder that is found by name."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import BUILDERS, Builder, BuiltEnvironment, built_environment_to_json, load_builder

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


@pytest.fixture(params=BUILDERS.names())
def builder(request: pytest.FixtureRequest, tmp_path: Path) -> Builder:
    return load_builder(request.param, tmp_path)


def build(builder: Builder, lock: str = "") -> tuple[BuiltEnvironment, list[str]]:
    """Build `SPEC`; return the environment and the progress messages."""
    messages: list[str] = []
    return builder.build(builder.plan_build(ADDRESS, FINGERPRINT, SPEC, lock), messages.append), messages


def run_python(environment: BuiltEnvironment, code: str) -> str:
    """Return what Python code prints in an environment; Python is found through PATH, as in a run."""
    program = shutil.which("python", path=":".join(environment.path_entries))
    assert program
    command, variables = [program, "-c", code], dict(environment.variables)
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


def test_a_builder_has_the_name_that_it_is_found_by(builder: Builder, request: pytest.FixtureRequest) -> None:
    assert builder.name == request.node.callspec.params["builder"]


def test_planning_a_build_is_deterministic_and_writes_nothing(builder: Builder, tmp_path: Path) -> None:
    before = json.dumps(SPEC)
    request = builder.plan_build(ADDRESS, FINGERPRINT, SPEC)
    assert request == builder.plan_build(ADDRESS, FINGERPRINT, json.loads(before))
    assert (request.address, request.fingerprint) == (ADDRESS, FINGERPRINT)
    assert json.dumps(SPEC) == before
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fingerprint_is_not_found(builder: Builder, tmp_path: Path) -> None:
    assert builder.find(UNKNOWN) is None
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_is_found_and_can_be_used(builder: Builder) -> None:
    environment, messages = build(builder)
    assert messages
    assert builder.find(FINGERPRINT) == environment
    assert builder.find(UNKNOWN) is None
    assert (
        run_python(environment, "import six, iniconfig, os; print(six.__version__, os.environ['GREETING'])")
        == "1.17.0 good day"
    )
    assert run_python(environment, "import platform; print(platform.python_version())") == environment.python_version


def test_a_second_build_reuses_the_first(builder: Builder) -> None:
    environment, _ = build(builder)
    assert build(builder) == (environment, [])


def test_another_fingerprint_with_the_same_content_shares_the_environment(builder: Builder) -> None:
    environment, _ = build(builder)
    other = builder.build(builder.plan_build(ADDRESS, UNKNOWN, SPEC), lambda _: None)
    assert (other.identity, other.prefix) == (environment.identity, environment.prefix)
    assert other.fingerprint == UNKNOWN


def test_a_recorded_lock_builds_the_same_environment_in_another_folder(builder: Builder, tmp_path: Path) -> None:
    environment, _ = build(builder)
    other, _ = build(load_builder(builder.name, tmp_path / "other"), environment.lock)
    assert (other.identity, other.lock) == (environment.identity, environment.lock)
    assert other.python_version == environment.python_version
    assert other.prefix != environment.prefix


def test_an_unfinished_environment_is_built_again(builder: Builder) -> None:
    environment, _ = build(builder)
    marker = next(path for path in Path(environment.prefix).glob("*.json"))
    marker.unlink()
    leftover = Path(environment.prefix) / "left-over"
    leftover.touch()
    assert builder.find(FINGERPRINT) is None
    assert build(builder)[0] == environment
    assert not leftover.exists()
    assert builder.find(FINGERPRINT) == environment


def test_a_built_environment_is_serializable_and_hashable(builder: Builder) -> None:
    environment, _ = build(builder)
    document = built_environment_to_json(environment)
    assert json.loads(json.dumps(document)) == document
    hash(environment)
