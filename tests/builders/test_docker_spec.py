"""The pure part of the builder `docker`: Dockerfiles, locks, and what it says of an environment before a build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.builders._buildkit import BuildKitOnly, find_buildkit_only, parse_api_version
from reconciler.builders._docker_images import ImagePython
from reconciler.builders._docker_lock import DockerLock, format_docker_lock, parse_docker_lock
from reconciler.builders._docker_spec import find_problems, make_plan
from reconciler.builders._dockerfile import make_classic_dockerfile, make_dockerfile, make_pip_config
from reconciler.builders._dockerfile_images import find_bases, find_floating, pin_bases

pytestmark = pytest.mark.fast

DIGEST = f"sha256:{'a' * 64}"
TWO_STAGES = """\
ARG TAG=1 OTHER
FROM --platform=linux/amd64 python:3.11 AS builder
from ubuntu
FROM base-$OTHER
FROM scratch
FROM builder
COPY --from=builder /wheels /wheels
"""


def test_the_dockerfile_of_a_conda_file(golden: Callable[[str, str], None]) -> None:
    variables = {"GREETING": 'good "day"', "PRICE": "$5"}
    golden("builders/packages.Dockerfile", make_dockerfile("environment/tiny", f"python@{DIGEST}", variables))


def test_the_dockerfile_on_an_image_with_a_user(golden: Callable[[str, str], None]) -> None:
    golden("builders/packages-user.Dockerfile", make_dockerfile("environment/tiny", "python:3.11", {}, "1000:1000"))


def test_the_dockerfile_of_a_conda_file_without_buildkit(golden: Callable[[str, str], None]) -> None:
    text = make_classic_dockerfile("environment/tiny", f"python@{DIGEST}", {"GREETING": 'good "day"', "A": "1\n2"})
    golden("builders/packages-classic.Dockerfile", text)
    assert list(find_buildkit_only(text)) == []


ONLY = """\
# syntax=docker/dockerfile:1
FROM python:3.11
RUN echo "<<EOF" && echo a << 1
RUN --network=none \\
    # a comment
    --mount=type=cache,target=/x echo --mount
COPY --chown=1 --link a b
ADD --checksum=sha256:0 https://example.com/a .
copy <<'END' /etc/a
text
END
CMD cat <<<x
"""


def test_what_only_buildkit_can_build_is_found_at_its_line() -> None:
    assert list(find_buildkit_only(ONLY)) == [
        BuildKitOnly(4, "RUN --network"),
        BuildKitOnly(4, "RUN --mount"),
        BuildKitOnly(7, "COPY --link"),
        BuildKitOnly(8, "ADD --checksum"),
        BuildKitOnly(9, "COPY <<'END'"),
    ]


def test_versions_of_an_engine_are_compared_as_numbers() -> None:
    assert parse_api_version("1.9") < parse_api_version("1.39") <= parse_api_version("1.41")


def test_the_images_that_a_dockerfile_starts_from_are_those_that_are_no_stage_and_no_argument() -> None:
    assert find_floating(TWO_STAGES) == ("base-$OTHER",)
    assert find_bases(TWO_STAGES) == ("python:3.11", "ubuntu")


def test_only_the_images_that_a_dockerfile_starts_from_are_pinned() -> None:
    pinned = pin_bases(TWO_STAGES, {"python:3.11": f"python@{DIGEST}", "builder": "wrong", "ubuntu": "ubuntu:x"})
    expected = TWO_STAGES.replace("python:3.11", f"python@{DIGEST}").replace("from ubuntu", "from ubuntu:x")
    assert pinned == expected


@pytest.mark.parametrize(
    "dockerfile",
    [
        'RUN sql "SELECT a \\\nFROM users"\n',
        'RUN sql "SELECT a \\\n# a comment\n\nFROM users"\n',
        "RUN python3 <<-'END'\nimport a\nFROM users\n\tEND\n",
        "COPY <<ONE <<TWO /\nONE\nFROM users\nTWO\n",
        "# escape=`\nRUN sql `\nFROM users\n",
    ],
)
def test_a_line_within_an_instruction_is_none(dockerfile: str) -> None:
    assert find_bases(f"{dockerfile}FROM ubuntu\nRUN echo $((1 << 2))\nFROM debian\n") == ("ubuntu", "debian")
    assert find_bases("# a comment ends here \\\nFROM ubuntu\nRUN cat <<<x\nFROM debian") == ("ubuntu", "debian")


ARGUMENTS = """\
ARG REGISTRY="localhost:5000" TAG
ARG IMAGE=${REGISTRY}/python:${TAG:-3.11}
FROM $IMAGE AS made
ARG TAG=ignored
FROM ${REGISTRY}/tools:${TAG:+x}1 \\
  AS tools
COPY --chown=1 --from=busybox:1 /bin/sh /bin/sh
COPY --from=made --from-nothing /a /a
COPY --from=0 /a /b
RUN --mount=type=cache,target=/c --mount=type=bind,from=node:20,target=/n \\
    --mount=from=tools,target=/t echo --mount=from=none
# COPY --from=comment /a /a
FROM $TAG
"""


def test_arguments_have_their_defaults_and_images_that_are_copied_from_are_used_too() -> None:
    images = ("localhost:5000/python:3.11", "localhost:5000/tools:1", "busybox:1", "node:20")
    assert find_bases(ARGUMENTS) == images
    assert find_floating(ARGUMENTS) == ("$TAG",)
    pinned = pin_bases(ARGUMENTS, dict.fromkeys(images, f"x@{DIGEST}"))
    lines = pinned.splitlines()
    assert lines[2] == f"FROM x@{DIGEST} AS made"
    assert lines[4] == f"FROM x@{DIGEST} \\"
    assert lines[6] == f"COPY --chown=1 --from=x@{DIGEST} /bin/sh /bin/sh"
    assert f"from=x@{DIGEST},target=/n" in lines[9]
    assert pinned.count(DIGEST) == 4
    assert find_bases(pinned) == (f"x@{DIGEST}",)


NAMES = st.from_regex(r"[a-z0-9]+(/[a-z0-9]+)?(:[a-z0-9]+)?", fullmatch=True)
PACKAGES = st.lists(st.from_regex(r"[a-z]+==1 --hash=sha256:[0-9a-f]{64}\n", fullmatch=True)).map("".join)


PUSHED, USERS = st.sampled_from(["", f"registry/a@{DIGEST}"]), st.sampled_from(["", "1000:1"])


@given(st.dictionaries(NAMES, st.just(f"python@{DIGEST}")), PACKAGES, PUSHED, USERS)
def test_a_lock_is_read_as_it_was_written(bases: Mapping[str, str], packages: str, pushed: str, user: str) -> None:
    lock = DockerLock(bases, packages, pushed, user)
    assert parse_docker_lock(format_docker_lock(lock)) == lock


@pytest.mark.parametrize(
    ("platform", "target"),
    [
        ("cpython-311-linux-x86_64-glibc-2.36", "x86_64-manylinux_2_36"),
        ("cpython-311-linux-aarch64-glibc-2.27", "aarch64-manylinux_2_17"),
        ("cpython-312-linux-x86_64-glibc-2.99", "x86_64-manylinux_2_40"),
        ("cpython-312-linux-x86_64", "x86_64-unknown-linux-musl"),
    ],
)
def test_packages_are_resolved_for_the_libc_of_the_image(platform: str, target: str) -> None:
    assert ImagePython("3.11.7", platform).target == ("--python-version", "3.11.7", "--python-platform", target)


def test_pip_is_told_the_index_of_uv_and_nothing_if_there_is_none() -> None:
    assert make_pip_config({}, has_certificates=False) == ""
    environment = {"UV_DEFAULT_INDEX": "own=https://a/simple", "UV_INDEX": "b=https://b/ https://c/?x=1"}
    assert make_pip_config(environment, has_certificates=True) == (
        "[global]\nindex-url = https://a/simple\nextra-index-url = https://b/ https://c/?x=1\n"
        "cert = /run/secrets/ca.pem\n"
    )


def problems(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in find_problems(spec)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"image": "python:3.11"}, []),
        ({"image": "ubuntu", "conda_file": {"dependencies": ["python=3.8", "numpy"]}}, []),
        ({"build": {"path": "context", "dockerfile_path": "gpu/Dockerfile"}}, []),
        ({"conda_file": {"dependencies": ["python"]}}, [("", "builder-cannot")]),
        ({"image": "mcr.microsoft.com/windows/nanoserver"}, [("/image", "builder-cannot")]),
        (
            {"image": "python:3.12", "conda_file": {"dependencies": ["python=3.11"]}},
            [("/conda_file/dependencies/0", "python-not-found")],
        ),
        (
            {"image": "ubuntu", "conda_file": {"dependencies": ["cudatoolkit", {"pip": ["./x"]}]}},
            [
                ("/conda_file/dependencies/0", "builder-cannot"),
                ("/conda_file/dependencies/1/pip/0", "requirement-refused"),
            ],
        ),
        (
            {"build": {"path": "context", "dockerfile_path": "../../x"}},
            [("/build/dockerfile_path", "dockerfile-outside")],
        ),
        ({"build": {"path": "context", "dockerfile_path": "/x"}}, [("/build/dockerfile_path", "dockerfile-outside")]),
        ({"build": {"path": "https://example.org/a.git"}}, [("/build/path", "builder-cannot")]),
        ({"build": {"dockerfile_path": "x"}}, [("/build", "builder-cannot")]),
    ],
)
def test_what_cannot_be_built_is_said_at_its_place(spec: Mapping[str, Any], expected: list[tuple[str, str]]) -> None:
    assert problems(spec) == expected


@pytest.mark.parametrize(
    "name", ["python", "a.b:5000/x/y__z:1-A@sha256:" + "0" * 64, "sha256:" + "0" * 64, "localhost/x:_t", "[::1]:5000/x"]
)
def test_the_name_of_an_image_is_one(name: str) -> None:
    assert find_problems({"image": name}) == ()


@pytest.mark.parametrize(
    "name",
    ["a b", "python:3\nRUN id", "../containers/x", "UPPER/Case", "--privileged", "x?y=1", "python:", "a@b", "é", "x\n"],
)
def test_what_is_no_name_of_an_image_is_said_by_the_plan(name: str) -> None:
    ((pointer, message),) = [(problem.pointer, problem.message) for problem in find_problems({"image": name})]
    assert (pointer, message) == ("/image", f"{name!r} is not the name of an image")


def test_a_problem_names_the_builder_that_has_it() -> None:
    (problem,) = find_problems({"image": "ubuntu", "conda_file": {"dependencies": ["cudatoolkit"]}})
    assert problem.message == "the docker builder cannot install the conda package 'cudatoolkit'"


def test_the_name_and_the_order_of_fields_of_a_conda_file_change_no_plan() -> None:
    one = {"image": "python:3.11", "conda_file": {"name": "a", "dependencies": ["numpy"], "channels": ["x"]}}
    other = {"conda_file": {"dependencies": ["numpy"], "name": "b"}, "image": "python:3.11"}
    assert make_plan("environment/a", "f", one, "") == make_plan("environment/a", "f", other, "")


def test_a_package_that_only_conda_has_is_refused_with_what_an_image_can_do_about_it() -> None:
    (problem,) = find_problems({"image": "python:3.11", "conda_file": {"dependencies": ["r-base=4"]}})
    assert problem.pointer == "/conda_file/dependencies/0"
    assert "install it with conda in a Dockerfile of your own (build:)" in problem.hint
    assert "builders: {conda" not in problem.hint
