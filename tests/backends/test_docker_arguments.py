"""The arguments of ``docker run`` that a job can have."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.docker_arguments import DockerArguments, parse_docker_arguments, parse_size

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2g", 2 << 30),
        ("2G", 2 << 30),
        ("1.5m", 3 << 19),
        ("64MiB", 64 << 20),
        ("10kb", 10 << 10),
        ("7", 7),
        (" 1b ", 1),
    ],
)
def test_a_size_is_read_as_docker_reads_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1g", "2 cats", "1e3", "2gg"])
def test_what_is_no_size_is_none(text):
    assert parse_size(text) is None


def test_supported_arguments_are_read_in_both_forms():
    text = "--cpus=1.5 -m 2g --shm-size 1g --ipc=host --network none --pids-limit 9 --ulimit cpu=-1 --ulimit core=1:2"
    assert parse_docker_arguments(text) == DockerArguments(
        1.5, 2 << 30, 1 << 30, 9, "host", "none", {"cpu": (-1, -1), "core": (1, 2)}
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("--privileged", "--privileged is not supported, but --cpus"),
        ("-v /:/host", "-v is not supported"),
        ("--network host", "--network host is not supported"),
        ("--cpus", "--cpus has no value"),
        ("--cpus 0", "--cpus 0 is not supported"),
        ("--memory lots", "--memory lots is not supported"),
        ("--ulimit nofile", "--ulimit nofile is not supported"),
        ("--ipc container:x", "--ipc container:x is not supported"),
        ("--cpus '1", "cannot be read"),
    ],
)
def test_an_argument_that_is_not_supported_is_named(text, problem):
    parsed = parse_docker_arguments(text)
    assert isinstance(parsed, str)
    assert problem in parsed


@given(st.lists(st.text()))
def test_any_text_is_read_or_refused(words):
    assert isinstance(parse_docker_arguments(shlex.join(words)), str | DockerArguments)
    assert isinstance(parse_docker_arguments(" ".join(words)), str | DockerArguments)
