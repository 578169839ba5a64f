"""What every builder guarantees: these tests run on each builder that is found by name."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from services import docker

from reconciler.builders import BUILDERS, load_builder
from reconciler.model import FinishedBuild
from reconciler.model.builder import Builder, Built, LocalBuild
from reconciler.model.plugins import Form
from reconciler.model.tasks import Image, Prefix
from reconciler.storage.folder_store import FolderStore

ADDRESS = "environment/tiny"
UNKNOWN = "0" * 64
FINGERPRINT = "f" * 64
SPEC: Mapping[str, Any] = {
    "name": "tiny",
    "image": docker.BASE,
    "conda_file": {
        "channels": ["conda-forge"],
        "dependencies": ["python>=3.11", {"pip": ["six==1.17.0", "iniconfig>=2"]}],
        "variables": {"GREETING": "good day"},
    },
}

pytestmark = pytest.mark.slow
NEED_SERVICES = {"conda", "docker"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.services if name in NEED_SERVICES else ()) for name in BUILDERS.names()
    ]
)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_host")
    return str(request.param)


@pytest.fixture
def settings(name: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The block of a builder in mlgit.yml."""
    if name != "conda":
        return {"type": name}
    return {"type": name, "mirrors": {"conda-forge": request.getfixturevalue("conda_channel").as_uri()}}


@pytest.fixture
def builder(settings: dict[str, Any], tmp_path: Path) -> Builder:
    return load_builder(settings, tmp_path / "builder")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def build(builder: Builder, store: FolderStore, lock: str = "") -> tuple[Built, list[str]]:
    """Build `SPEC`; return the environment and the progress messages."""
    messages: list[str] = []
    return builder.build(builder.plan(ADDRESS, FINGERPRINT, SPEC, lock), store, messages.append), messages


def prefix_of(built: Built) -> Prefix:
    if not isinstance(built.environment, Prefix):
        pytest.skip("about environments in a folder")
    return built.environment


def run_python(built: Built, code: str) -> str:
    """Return what Python code prints in an environment; Python is found through PATH, as in a run."""
    if isinstance(built.environment, Image):
        variables = [part for item in built.environment.variables.items() for part in ("--env", "=".join(item))]
        command = ["docker", "run", "--rm", *variables, built.environment.reference, "python", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    prefix = prefix_of(built)
    program = shutil.which("python", path=f"{prefix.path}/bin")
    assert program
    command, variables = [program, "-c", code], dict(prefix.variables)
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()


def test_a_builder_produces_the_form_that_its_plug_in_names(name: str, builder: Builder, store: FolderStore) -> None:
    forms = {Form.PREFIX: Prefix, Form.FIXED_PREFIX: Prefix, Form.IMAGE: Image}
    built, _ = build(builder, store)
    assert isinstance(built.environment, forms[BUILDERS.load(name).produces])


def test_planning_a_build_is_deterministic_and_writes_nothing(builder: Builder, tmp_path: Path) -> None:
    before = json.dumps(SPEC)
    plan = builder.plan(ADDRESS, FINGERPRINT, SPEC)
    assert plan == builder.plan(ADDRESS, FINGERPRINT, json.loads(before))
    assert (plan.address, plan.fingerprint) == (ADDRESS, FINGERPRINT)
    assert json.dumps(SPEC) == before
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fingerprint_is_not_found(builder: Builder, tmp_path: Path) -> None:
    assert builder.find(UNKNOWN) is None
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_is_found_and_can_be_used(builder: Builder, store: FolderStore) -> None:
    built, messages = build(builder, store)
    assert messages
    assert builder.find(FINGERPRINT) == built
    assert builder.find(UNKNOWN) is None
    assert (
        run_python(built, "import six, iniconfig, os; print(six.__version__, os.environ['GREETING'])")
        == "1.17.0 good day"
    )
    assert run_python(built, "import platform; print(platform.python_version())") == built.python_version


def test_a_plan_finds_the_finished_build_that_the_builder_finds(
    settings: dict[str, Any], builder: Builder, store: FolderStore, tmp_path: Path
) -> None:
    source = BUILDERS.load(settings["type"]).find
    ask = (settings["type"], source, settings, tmp_path / "builder", None)
    assert BUILDERS.call(*ask, FINGERPRINT) is None
    built, _ = build(builder, store)
    folder = built.environment.path if isinstance(built.environment, Prefix) else ""
    assert BUILDERS.call(*ask, FINGERPRINT) == FinishedBuild(built.python_version, built.lock, folder)
    assert BUILDERS.call(*ask, UNKNOWN) is None
    assert builder.remove(builder.list_builds()[0])
    assert BUILDERS.call(*ask, FINGERPRINT) is None


def test_a_second_build_reuses_the_first(builder: Builder, store: FolderStore) -> None:
    built, _ = build(builder, store)
    assert build(builder, store) == (built, [])


def test_another_fingerprint_with_the_same_content_shares_the_environment(builder: Builder, store: FolderStore) -> None:
    built, _ = build(builder, store)
    other = builder.build(builder.plan(ADDRESS, UNKNOWN, SPEC), store, lambda _: None)
    assert (other.identity, other.environment) == (built.identity, built.environment)


def test_a_recorded_lock_builds_the_same_environment_in_another_folder(
    settings: dict[str, Any], builder: Builder, store: FolderStore, tmp_path: Path
) -> None:
    built, _ = build(builder, store)
    other, _ = build(load_builder(settings, tmp_path / "other"), store, built.lock)
    assert (other.identity, other.lock, other.platform) == (built.identity, built.lock, built.platform)
    assert other.python_version == built.python_version
    if isinstance(built.environment, Prefix):
        assert prefix_of(other).path != built.environment.path
    else:
        assert other.environment == built.environment


def test_an_unfinished_environment_is_built_again(builder: Builder, store: FolderStore) -> None:
    built, _ = build(builder, store)
    prefix = Path(prefix_of(built).path)
    next(iter(prefix.glob("*.json"))).unlink()
    leftover = prefix / "left-over"
    leftover.touch()
    assert builder.find(FINGERPRINT) is None
    assert build(builder, store)[0] == built
    assert not leftover.exists()
    assert builder.find(FINGERPRINT) == built


def test_what_is_recorded_of_a_build_has_no_path_of_this_machine(
    builder: Builder, store: FolderStore, tmp_path: Path
) -> None:
    built, _ = build(builder, store)
    document = json.dumps(built.to_json())
    assert json.loads(document) == built.to_json()
    assert str(tmp_path) not in document


def list_own(builder: Builder) -> tuple[LocalBuild, ...]:
    """Return what a builder made itself, without the names that it gave to images of others."""
    return tuple(build for build in builder.list_builds() if not build.is_base)


def test_only_what_a_builder_made_is_listed_and_removed(builder: Builder, store: FolderStore, tmp_path: Path) -> None:
    assert builder.list_builds() == ()
    built, _ = build(builder, store)
    (made,) = list_own(builder)
    assert made.fingerprints == {FINGERPRINT}
    assert made.size > 0
    assert made.made_at > 0
    if isinstance(built.environment, Prefix):
        (Path(built.environment.path).parent / "of-another").mkdir()
    assert list_own(builder) == (made,)
    assert builder.remove(made)
    assert builder.find(FINGERPRINT) is None
    assert list_own(builder) == ()
    assert build(builder, store)[0].identity == built.identity


def test_a_build_imports_modules_and_says_which_one_it_cannot(builder: Builder, store: FolderStore) -> None:
    built, _ = build(builder, store)
    assert builder.try_imports(built, ["json", "six"]) == ""
    failure = builder.try_imports(built, ["six", "no_such_module", "json"])
    assert failure == "no_such_module: ModuleNotFoundError: No module named 'no_such_module'"
