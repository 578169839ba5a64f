"""The lock of conda packages: it is read as it was written, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.builders._conda_lock import CondaLock, LockedPackage, format_conda_lock, parse_conda_lock
from reconciler.diagnostics import UserError
from reconciler.project.recorded_builds import RecordedBuild, locked_packages

pytestmark = pytest.mark.fast

ADDRESS = "environment/x"
PIP_LOCK = f"six==1.17.0 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"


def package(
    name: str, version: str, channel: str = "conda-forge", sha256: str = "c" * 64, md5: str = ""
) -> LockedPackage:
    return LockedPackage(name, version, channel, "linux-64", f"{name}-{version}-h1_0.conda", sha256, md5)


PYTHON = package("python", "3.11.7")


def text_of(characters: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(characters), min_size=1, max_size=12).map("".join)


PACKAGES = st.builds(
    package,
    text_of("abcxyz09_.-"),
    text_of("019abcz._+!"),
    st.sampled_from(["conda-forge", "./channel", "https://host/pkgs/main"]),
    st.sampled_from(["0" * 64, "a1" * 32]),
    st.sampled_from(["", "b2" * 16]),
)


@settings(max_examples=50)
@given(st.lists(PACKAGES, max_size=4, unique_by=lambda item: item.name), st.sampled_from(["", PIP_LOCK]))
def test_a_lock_is_read_as_it_was_written(packages: list[LockedPackage], pip_lock: str) -> None:
    others = sorted((item for item in packages if item.name != "python"), key=lambda item: item.name)
    lock = CondaLock("linux-64", tuple(sorted([PYTHON, *others], key=lambda item: item.name)), pip_lock)
    assert parse_conda_lock(ADDRESS, format_conda_lock(lock)) == lock


def test_what_is_listed_of_a_build_are_the_packages_of_both_sections() -> None:
    text = format_conda_lock(CondaLock("linux-64", (PYTHON, package("numpy", "1.26.4")), PIP_LOCK))
    build = RecordedBuild("conda", "0" * 64, "3.11.7", "linux-64", text)
    assert locked_packages(build) == {
        "python": "3.11.7",
        "platform": "linux-64",
        "numpy": "1.26.4",
        "six": "1.17.0",
    }


LINE = format_conda_lock(CondaLock("linux-64", (PYTHON,)))


@pytest.mark.parametrize(
    "text",
    [
        PIP_LOCK,
        "# conda linux-64\n",
        LINE.replace("--hash=sha256:", "--hash=sha1:"),
        LINE.replace(" \\\n    --hash=sha256:" + "c" * 64, ""),
        LINE.replace("python==3.11.7", "python==3.11.8"),
        LINE.replace("linux-64/python", "linux-64/../python"),
        LINE + "--find-links /tmp\n",
        LINE + "# pip\nsix @ https://host/six.whl\n",
        LINE + "# pip\n--index-url https://host\n",
    ],
)
def test_what_is_not_a_lock_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_conda_lock(ADDRESS, text)
    assert caught.value.diagnostics[0].code == "lock-invalid"
