"""What a run wrote never gets into Git's own folder, nor does what it did to the files of its run crash mlgit."""

from __future__ import annotations

import pytest
from workspaces import write

pytestmark = pytest.mark.slow

JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: {command}
    environment: {{image: python, conda_file: {{dependencies: ["python>=3.11"]}}}}
    outputs:
      kept: {{type: uri_folder}}
    """
MAKE_HOOK = "mkdir -p ${{{{outputs.kept}}}}/{0}/hooks && echo x > ${{{{outputs.kept}}}}/{0}/hooks/post-commit"


@pytest.mark.parametrize(("folder", "target"), [(".git", "."), ("plain", ".git"), ("a", ".git/hooks"), (".GIT", ".")])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_download_writes_nothing_into_the_folder_of_git(small, mlgit, folder, target, force):
    if folder == ".GIT":
        (small / ".GIT").mkdir(exist_ok=True)  # as it is on a disk where case does not count
    write(small, {"jobs/hook.yml": JOB.format(command=MAKE_HOOK.format(folder))})
    assert mlgit("run", "jobs/hook.yml", "--name", "hook", cwd=small).code == 0
    before = {path for path in (small / ".git").rglob("*") if "objects" not in path.parts}
    ended = mlgit("job", "download", "hook", "--output", "kept", target, *force, cwd=small)
    assert ended.code == 1
    assert "Git's own folder" in ended.err
    after = {path for path in (small / ".git").rglob("*") if "objects" not in path.parts}
    assert not {path for path in after - before if "post-commit" in path.name}


def test_a_download_with_a_folder_of_git_is_written_to_a_new_folder(small, mlgit):
    write(small, {"jobs/hook.yml": JOB.format(command=MAKE_HOOK.format(".git"))})
    assert mlgit("run", "jobs/hook.yml", "--name", "hook", cwd=small).code == 0
    ended = mlgit("job", "download", "hook", "--output", "kept", "out", cwd=small)
    assert (ended.code, ended.err) == (0, "")
    assert (small / "out/.git/hooks/post-commit").read_text("utf-8") == "x\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"outputs": [1]}', '{"outputs": {"kept": 1}}', "null"])
@pytest.mark.parametrize("name", ["spec.json", "queue.json", "supervisor.json"])
def test_a_job_that_damages_the_files_of_its_run_gets_no_report_of_a_bug(small, mlgit, name, text):
    command = f"echo '{text}' > $MLGIT_RUN_FOLDER/{name}"
    write(small, {"jobs/bad.yml": JOB.replace("{command}", '"{command}"').format(command=command.replace('"', '\\"'))})
    ended = mlgit("run", "jobs/bad.yml", "--name", "bad", cwd=small)
    assert ended.code in {0, 1}
    assert "internal-error" not in ended.err, ended.err
    for arguments in (("job", "show", "bad"), ("job", "list"), ("plan",), ("status",)):
        again = mlgit(*arguments, cwd=small)
        assert again.code in {0, 1}
        assert "internal-error" not in again.err, again.err
