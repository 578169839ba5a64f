"""mlgit run takes a file with a command for a job, as `az ml job create` does, and nothing else that has no $schema."""

from __future__ import annotations

import pytest
from workspaces import write

pytestmark = pytest.mark.slow

JOB = "command: echo greeting\nenvironment: {image: python}\n"


def test_a_file_with_a_command_is_a_job_for_run_and_a_note_says_that_it_is_none_for_apply(small, mlgit):
    write(small, {"loose.yml": JOB})
    ended = mlgit("run", "loose.yml", cwd=small)
    assert ended.code == 0, ended.err
    assert "loose.yml has no $schema: it is taken for a job here, and is none for `mlgit apply`" in ended.out
    assert "\ngreeting\n" in ended.out
    assert "job/loose" not in mlgit("list", "--declared", cwd=small).out


def test_what_is_wrong_in_such_a_file_is_reported_at_its_line(small, mlgit):
    write(small, {"loose.yml": f"{JOB}envs: 1\n"})
    assert "loose.yml:3:1: error: unknown field envs" in mlgit("run", "loose.yml", cwd=small).err


@pytest.mark.parametrize("text", ["services: {web: {command: x}}\n", "- command: x\n", "image: python\n"])
def test_another_file_without_schema_is_no_job(small, mlgit, text):
    write(small, {"loose.yml": text})
    ended = mlgit("run", "loose.yml", cwd=small)
    assert ended.code == 1
    assert "loose.yml is not the file of a job: mlgit cannot tell what it declares [not-a-job]" in ended.err
