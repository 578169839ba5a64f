"""Builds with another Python than is required, because mlgit.yml says so: what is built, found and recorded."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from reconciler.builders import load_builder
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import Builder, Built
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow

OWN = ".".join(platform.python_version_tuple()[:2])
FINGERPRINT = "f" * 64
HEADER = f"# Python {OWN} instead of 3.99, as mlgit.yml says\n"


def open_builder(root: Path, **pythons: str) -> Builder:
    return load_builder({"type": "venv", "pythons": {"3.99": OWN, **pythons}}, root)


def build(builder: Builder, *dependencies: Any, lock: str = "") -> Built:
    spec = {"name": "x", "conda_file": {"dependencies": list(dependencies)}}
    plan = builder.plan("environment/x", FINGERPRINT, spec, lock)
    return builder.build(plan, FolderStore(Path("unused")), lambda _: None)


def build_error(builder: Builder, *dependencies: Any) -> Diagnostic:
    with pytest.raises(UserError) as caught:
        build(builder, *dependencies)
    return caught.value.diagnostics[0]


def test_the_record_of_a_build_says_which_python_was_replaced(tmp_path):
    built = build(open_builder(tmp_path), "python=3.99", {"pip": ["six==1.17.0"]})
    assert built.python_version == platform.python_version()
    assert built.to_json()["variant"] == f"Python {OWN} instead of 3.99"
    assert built.lock.startswith(f"{HEADER}six==1.17.0")
    assert "variant" not in build(open_builder(tmp_path / "b"), "six=1.17.0").to_json()


def test_a_replaced_python_is_another_identity_and_the_same_python_required_is_not(tmp_path):
    replaced = build(open_builder(tmp_path / "a"), "python=3.99", "six=1.17.0")
    required = build(open_builder(tmp_path / "b"), f"python={OWN}", "six=1.17.0")
    assert replaced.identity != required.identity
    assert replaced.identity == build(open_builder(tmp_path / "c"), "python=3.99", "six=1.17.0").identity


def test_a_build_is_found_only_as_long_as_mlgit_yml_says_the_same(tmp_path):
    built = build(open_builder(tmp_path), "python=3.99")
    assert open_builder(tmp_path).find(FINGERPRINT) == built
    assert open_builder(tmp_path, **{"3.1": OWN}).find(FINGERPRINT) == built  # it is about other environments
    assert load_builder({"type": "venv"}, tmp_path).find(FINGERPRINT) is None
    assert open_builder(tmp_path, **{"3.99": "3.98"}).find(FINGERPRINT) is None
    error = build_error(load_builder({"type": "venv"}, tmp_path), "python=3.99")
    assert error.code == "python-not-found"


def test_a_build_without_a_replacement_is_not_found_if_mlgit_yml_names_one_later(tmp_path):
    builder = load_builder({"type": "venv"}, tmp_path)
    built = build(builder, f"python={OWN}")
    assert builder.find(FINGERPRINT) == built
    assert load_builder({"type": "venv", "pythons": {OWN: "3.99"}}, tmp_path).find(FINGERPRINT) is None


def test_a_recorded_lock_is_used_for_the_same_replacement_only(tmp_path):
    built = build(open_builder(tmp_path / "a"), "python=3.99", {"pip": ["six"]})
    older = built.lock.replace("six==1.17.0", "six==1.0.0")
    again = build(open_builder(tmp_path / "b"), "python=3.99", {"pip": ["six"]}, lock=built.lock)
    assert (again.lock, again.identity) == (built.lock, built.identity)
    of_other = older.replace("3.99", "3.98")
    assert build(open_builder(tmp_path / "c"), "python=3.99", {"pip": ["six"]}, lock=of_other).lock == built.lock
    plain = older.removeprefix(HEADER)
    assert build(open_builder(tmp_path / "d"), "python=3.99", {"pip": ["six"]}, lock=plain).lock == built.lock


@pytest.mark.parametrize("package", ["no-such-package-of-mlgit", "six==99.0"])
def test_an_error_about_packages_says_that_the_python_was_replaced(tmp_path, package):
    replaced = build_error(open_builder(tmp_path), "python=3.99", {"pip": [package]})
    assert replaced.message.endswith(f"(Python {OWN} instead of 3.99, as mlgit.yml says)")
    assert "instead of" not in build_error(open_builder(tmp_path), {"pip": [package]}).message
