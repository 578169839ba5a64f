"""What the runner says of the memory that its container may use."""

from __future__ import annotations

import pytest

from reconciler.runner import result
from reconciler.runner.cgroup import find_memory_limit, format_memory
from reconciler.runner.container import describe_end

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("memory.max", "134217728\n", 128 << 20),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "134217728\n", 128 << 20),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("other", "1", None),
    ],
)
def test_the_limit_of_memory_is_that_of_either_version_of_cgroups(tmp_path, name, text, limit):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert find_memory_limit(tmp_path) == limit


@pytest.mark.parametrize(("size", "text"), [(128 << 20, "128 MiB"), (3 << 29, "1.5 GiB"), (1_500_000, "1.431 MiB")])
def test_memory_is_said_as_settings_of_containers_count_it(size, text):
    assert format_memory(size) == text


@pytest.mark.parametrize("return_code", [137, -9])
@pytest.mark.parametrize(
    ("limit", "why"),
    [(None, "the machine ran out of memory"), (1 << 27, "its container ran out of memory: it may use 128 MiB")],
)
def test_a_command_that_was_killed_is_told_whose_memory_may_have_run_out(
    tmp_path, monkeypatch, return_code, limit, why
):
    monkeypatch.setattr(result, "find_memory_limit", lambda: limit)
    assert f": it was killed, often because {why}" in result.command_failure(return_code, tmp_path / "log").message


def test_a_container_without_a_result_that_was_killed_for_its_memory_has_its_limit_named():
    killed = {"State": {"OOMKilled": True}, "HostConfig": {"Memory": 1 << 28}}
    assert describe_end(killed) == "its container ran out of memory: it may use 256 MiB"
    assert describe_end({"State": {"OOMKilled": True}}) == "its container ran out of memory"
    assert describe_end({"State": {"ExitCode": 3}}) == "its container ended with exit code 3 and without a result"
