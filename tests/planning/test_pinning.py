"""What of an environment is not pinned is noted: packages without an exact version, and the tag of an image."""

from __future__ import annotations

import pytest

from reconciler.planning.pinning import pinning_notes, unpinned_packages


@pytest.mark.parametrize("entry", ["numpy", "numpy=1.26", "numpy>=1.26", "numpy=1.26.*", "conda-forge::numpy"])
def test_a_package_of_conda_without_an_exact_version_is_not_pinned(entry: str) -> None:
    assert unpinned_packages({"dependencies": [entry]}) == {"/dependencies/0": "numpy"}


@pytest.mark.parametrize("entry", ["numpy==1.26.4", "numpy=1.26.4=py311h64a7726_0", "python=3.11", "pip"])
def test_an_exact_version_is_pinned_and_python_is_no_package(entry: str) -> None:
    assert unpinned_packages({"dependencies": [entry]}) == {}


def test_requirements_of_pip_are_pinned_by_two_equals_signs() -> None:
    listed = ["a", "b==1.0", "c[x]==1.0 ; python_version < '3.12'", "d==1.*", "e>=1,<2", "f===1", "--pre"]
    found = unpinned_packages({"dependencies": [{"pip": listed}]})
    assert found == {f"/dependencies/0/pip/{index}": listed[index][0] for index in (0, 3, 4)}


def test_a_tag_is_noted_only_where_the_image_is_used() -> None:
    spec = {"image": "python:3.11", "conda_file": {"dependencies": ["numpy==1.26.4"]}}
    ((text, pointers),) = pinning_notes(spec, uses_image=True)
    assert text.startswith("python:3.11 is a tag, which can move")
    assert pointers == ("/image",)
    assert not list(pinning_notes(spec, uses_image=False))
    assert not list(pinning_notes({"image": f"python@sha256:{'0' * 64}"}, uses_image=True))


def test_an_environment_that_is_built_from_a_lock_is_pinned_by_it() -> None:
    spec = {"image": "python:3.11", "conda_file": {"dependencies": ["numpy", "pandas"]}}
    ((text, pointers),) = pinning_notes(spec, uses_image=False, lock="locks/requirements.txt")
    assert text == "packages are those of the lock locks/requirements.txt, which mlgit.yml names in locks:"
    assert pointers == ("/conda_file",)
