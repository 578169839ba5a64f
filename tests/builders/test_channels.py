"""The channels of conda files, and which folders of a machine may be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import _rattler, load_builder
from reconciler.builders._channels import ChannelSettings, channel_url
from reconciler.diagnostics import UserError
from reconciler.model.builder import BuildPlan, BuildProblem

pytestmark = pytest.mark.fast

FINGERPRINT = "f" * 64


def spec_of(channels: Any, *dependencies: Any) -> dict[str, Any]:
    return {"name": "x", "image": "python:3.12", "conda_file": {"channels": channels, "dependencies": [*dependencies]}}


def check(spec: dict[str, Any], **settings: Any) -> list[BuildProblem]:
    return list(load_builder({"type": "conda", **settings}, Path("unused")).check(spec))


def plan(spec: dict[str, Any], **settings: Any) -> BuildPlan:
    return load_builder({"type": "conda", **settings}, Path("unused")).plan("environment/x", FINGERPRINT, spec)


def test_channels_are_those_of_the_file_then_of_mlgit_yml_then_conda_forge() -> None:
    assert plan(spec_of(["pytorch", "nodefaults", "conda-forge/"], "numpy")).channels == ("pytorch", "conda-forge")
    assert plan(spec_of([], "numpy"), channels=["own"]).channels == ("own",)
    assert plan(spec_of(None, "numpy")).channels == ("conda-forge",)
    assert plan(spec_of(["conda-forge"], "pytorch/linux-64::pytorch=2")).channels == ("conda-forge", "pytorch")
    assert [name.rpartition("/")[2] for name in plan(spec_of(["defaults"], "numpy")).channels] == ["main", "r"]
    assert plan(spec_of(["defaults"], "numpy"), mirrors={"defaults": "https://mirror.example"}).channels == (
        "defaults",
    )


def test_settings_that_make_another_environment_are_its_variant_and_mirrors_are_not() -> None:
    assert plan(spec_of(["own"], "numpy"), channels=["other"], mirrors={"own": "./own"}).variant == ""
    assert plan(spec_of([], "numpy"), channels=["other"]).variant == "channel other"
    assert plan(spec_of([], "numpy"), virtual_packages={"__cuda": "12.4", "__osx": ""}).variant == (
        "__cuda 12.4, __osx none"
    )


def test_python_is_that_of_the_image_where_the_file_names_none() -> None:
    assert plan(spec_of([], "numpy=1.26", {"pip": ["six"]})).conda_packages == ("numpy=1.26", "python 3.12.*")
    assert plan(spec_of([], "python=3.11", {"pip": ["six"]})).conda_packages == ("python=3.11",)
    assert plan({"name": "x", "image": "ubuntu"}).conda_packages == ("python",)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("file:///srv/conda", "is a folder outside of the repository"),
        ("/srv/conda", "is a folder outside of the repository"),
        ("../conda", "is a folder outside of the repository"),
        ("./a/../../conda", "is a folder outside of the repository"),
        ("~/conda", "is a folder outside of the repository"),
        ("ftp://host/conda", "has an unknown scheme"),
        ("https://me:hunter2@host/conda", "has a password or a token in it"),
        ("https://host/t/hunter2/conda", "has a password or a token in it"),
    ],
)
def test_a_channel_that_a_conda_file_may_not_name_is_an_error_at_its_place(channel: str, message: str) -> None:
    (problem,) = check(spec_of(["conda-forge", channel], "python"))
    assert (problem.pointer, problem.code) == ("/conda_file/channels/1", "channel-refused")
    assert message in problem.message
    assert "hunter2" not in problem.message + problem.hint
    (of_entry,) = check(spec_of([], f"{channel}::numpy"))
    assert (of_entry.pointer, of_entry.code) == ("/conda_file/dependencies/0", "channel-refused")


def test_a_folder_that_mlgit_yml_names_is_a_channel() -> None:
    assert check(spec_of(["own"], "python"), mirrors={"own": "file:///srv/conda"}) == []
    assert check(spec_of(["/srv/conda"], "python"), channels=["/srv/conda"]) == []


def test_a_folder_called_t_has_no_token_in_it() -> None:
    folder = "file:///srv/t/team/conda"
    assert check(spec_of([folder], "python"), channels=[folder]) == []
    (problem,) = check(spec_of([folder], "python"))
    assert f"'{folder}' is a folder outside" in problem.message


def test_a_folder_of_the_workspace_is_a_channel_unless_a_link_leads_out(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    outside.mkdir()
    (workspace / "own").mkdir(parents=True)
    (workspace / "link").symlink_to(outside)
    settings = ChannelSettings(mirrors={"mirror": "./own"}, workspace=workspace)
    assert channel_url("environment/x", "./own", settings) == (workspace / "own").as_uri()
    assert channel_url("environment/x", "mirror", settings) == (workspace / "own").as_uri()
    assert channel_url("environment/x", "conda-forge", settings) == "https://conda.anaconda.org/conda-forge"
    with pytest.raises(UserError) as caught:
        channel_url("environment/x", "./link", settings)
    assert caught.value.diagnostics[0].code == "channel-refused"


@pytest.mark.parametrize("entry", ["/srv/numpy-1.0-0.conda", "https://host/numpy-1.0-0.tar.bz2", "@EXPLICIT", "-r x"])
def test_a_file_or_an_option_in_the_place_of_a_package_is_refused(entry: str) -> None:
    (problem,) = check(spec_of([], entry))
    assert (problem.pointer, problem.code) == ("/conda_file/dependencies/0", "requirement-refused")


def test_packages_that_pypi_does_not_have_are_no_problem() -> None:
    assert check(spec_of(["conda-forge"], "python=3.11", "cudatoolkit", "r-base=4.1", "numpy=1.26.*=*_cp311")) == []


def test_without_the_extra_a_plan_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rattler, "find_spec", lambda _: None)
    (problem,) = check(spec_of([], "python"))
    assert (problem.code, problem.is_certain, problem.hint) == (
        "extra-missing",
        False,
        "run `pip install 'mlgit[conda]'`",
    )


def test_the_explanation_of_the_solver_is_one_line() -> None:
    text = """SolverError: Cannot solve the request because of: a * cannot be installed because:
└─ a 2.0 would require
   └─ b >=1.0,<1.1, which conflicts with any installable versions previously reported.
"""
    (diagnostic,) = _rattler.error_from_text("environment/x", text).diagnostics
    assert diagnostic.code == "packages-conflict"
    assert diagnostic.message.endswith(
        "together: a * cannot be installed because: a 2.0 would require b >=1.0,<1.1, which conflicts with any "
        "installable versions previously reported."
    )


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("GatewayError: 403 Forbidden", "index-refused", "the channel answered 403 Forbidden"),
        ("InstallerError: x\nCaused by: No space left on device", "disk-full", "the disk is full"),
        ("InstallerError: something else", "environment-build-failed", "InstallerError: something else"),
    ],
)
def test_an_error_of_rattler_is_a_diagnostic(text: str, code: str, message: str) -> None:
    (diagnostic,) = _rattler.error_from_text("environment/x", text).diagnostics
    assert (diagnostic.code, diagnostic.message) == (code, f"environment/x: {message}")
