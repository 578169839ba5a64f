"""A cosmetic change of a conda file changes no fingerprint; what is installed, and the priority of channels, do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format.kinds import kind_by_name
from reconciler.format.yaml import parse_yaml
from reconciler.planning.fingerprint import asset_fingerprint

PACKAGES = ["python=3.11", "numpy=1.26", "pip", "scipy"]
OF_PIP = ["pandas==2.2.2", "scikit-learn>=1.5", "six"]


def conda_file(conda: list[str], pip: list[str], name: str = "", comment: str = "") -> dict[str, Any]:
    """Return a conda file as it is parsed from YAML."""
    lines = [f"# {comment}", f"name: '{name}'" if name else "", "channels: [conda-forge, defaults]", "dependencies:"]
    lines += [f"  - {entry}  # {comment}" for entry in conda]
    lines += ["  - pip:", *(f"      - {entry}" for entry in pip)]
    document, problems = parse_yaml("conda.yml", "\n".join(lines).encode())
    assert not problems
    return dict(document.data)


def fingerprint(content: dict[str, Any], kind: str = "environment") -> str:
    spec: dict[str, Any] = {"image": "python:3.11", "conda_file": content}
    if kind == "job":
        spec = {"type": "pipeline", "jobs": {"one": {"command": "true", "environment": spec}}}
    return asset_fingerprint(kind_by_name(kind), spec, {}, {})


@pytest.mark.parametrize("kind", ["environment", "job"])
@given(
    conda=st.permutations(PACKAGES),
    pip=st.permutations(OF_PIP),
    name=st.from_regex(r"[a-z]{0,8}", fullmatch=True),
    comment=st.from_regex(r"[ a-z:#]{0,12}", fullmatch=True),
)
def test_comments_the_name_and_the_order_of_packages_change_no_fingerprint(kind, conda, pip, name, comment):
    assert fingerprint(conda_file(conda, pip, name, comment), kind) == fingerprint(conda_file(PACKAGES, OF_PIP), kind)


@pytest.mark.parametrize(
    "change",
    [
        {"channels": ["defaults", "conda-forge"]},
        {"dependencies": ["python=3.11"]},
        {"dependencies": [*PACKAGES, {"pip": ["pandas==2.2.3", *OF_PIP[1:]]}]},
        {"variables": {"A": "1"}},
    ],
    ids=["the priority of channels", "a package less", "another version", "a variable"],
)
def test_what_is_installed_and_from_where_changes_the_fingerprint(change):
    content = conda_file(PACKAGES, OF_PIP)
    assert fingerprint({**content, **change}) != fingerprint(content)


def test_the_order_of_a_list_of_pip_counts_if_it_has_options():
    first, second = (conda_file(PACKAGES, ["--pre", "six", *rest]) for rest in (["a", "b"], ["b", "a"]))
    assert fingerprint(first) != fingerprint(second)
