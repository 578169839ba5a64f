"""Jobs on a machine that is reached by ssh and shares no disk with this one, by whole commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from engine.changed_folder import assert_a_run_goes_on
from remote.cut_proxy import CutProxy
from services.azurite import ACCOUNTS
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, put_pipeline, until, write

from reconciler.runner.descendants import find_marked

pytestmark = [pytest.mark.slow, pytest.mark.services]
_BOUND = "secrets: {box-key: {from: 'file:.secrets/key', for: [backend/box], fields: [/private_key]}}\n"


# A Python whose program of mlgit ends when the outputs of a run are asked for, as long as a file is there.
CUT = """\
#!{python}
import os, sys
words = sys.argv[sys.argv.index("-c") + 1:]
program = words[0].replace("\\nserve(", '''
from reconciler.backends import _node
answer = _node._Node.answer
def cut(self, request):
    if request["do"] == "collect" and os.path.exists({cut!r}): os._exit(1)
    yield from answer(self, request)
_node._Node.answer = cut
serve(''')
os.execv({python!r}, [{python!r}, "-I", "-S", "-c", program, *words[1:]])
"""


@pytest.fixture
def disk(ssh_node, tmp_path_factory):
    """The folder of the node that its runs are in."""
    return tmp_path_factory.mktemp("disk") / "mlgit"


@pytest.fixture
def folder(small, ssh_node, disk):
    """The small workspace, which the node does not see, with its job on the node."""
    box = (
        f"{{type: ssh, machine: 127.0.0.1, port: {ssh_node.port}, user: {ssh_node.user}, known_hosts: .secrets/hosts, "
        f"folder: {disk}, python: {PYTHON}}}"
    )
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", f"{_BOUND}backends: {{box: {box}}}")
    edit(small, "mlgit.yml", '"*": local', '"*": box')
    write(small, {".gitignore": ".secrets\n.mlgit\n", ".secrets/key": ssh_node.key("client")})
    shutil.copy(ssh_node.folder / "known_hosts", small / ".secrets/hosts")
    commit(small)
    ssh_node.hide(small)
    return small


@pytest.fixture
def on_service(folder, azurite):
    """The workspace with its store on Azure; returns the port of the service."""
    where = f"url: 'az://{azurite.make_container()}/store', account: {ACCOUNTS[0]}, endpoint: '{azurite.url()}'"
    key = "store-key: {from: 'file:.secrets/store', for: [store], fields: [/account_key]}"
    local = next(line for line in (folder / "mlgit.yml").read_text().splitlines() if line.startswith("store:"))
    edit(folder, "mlgit.yml", local, f"store: {{{where}}}")
    edit(folder, "mlgit.yml", "secrets: {", f"secrets: {{{key}, ")
    write(folder, {".secrets/store": azurite.key})
    commit(folder)
    return azurite.port


def command_lines():
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            for file in ("cmdline", "environ"):
                try:
                    yield (path / file).read_bytes()
                except OSError:
                    continue


def test_a_job_runs_on_the_machine_and_its_output_becomes_a_model(folder, ssh_node, disk, mlgit, run_json):
    edit(
        folder, "src/sum.py", "import pathlib, sys\n", f"import os, pathlib, sys\nprint(os.listdir({str(folder)!r}))\n"
    )
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "model/total: version 1 from run sum-" in ended.out
    assert mlgit("job", "logs", "sum", cwd=folder).out == "[]\ntotal 6\n"  # the folder is hidden from the job
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], run["backend"]) == ("completed", "box")
    assert "No changes" in mlgit("plan", cwd=folder).out
    assert (disk / "runs" / run["run"]).is_dir()
    secret = ssh_node.key("client").splitlines()[2]
    written = subprocess.run(
        ["grep", "-rlF", secret, str(folder), str(disk)], capture_output=True, text=True, check=False
    )
    assert written.stdout.split() == [str(folder / ".secrets/key")]
    assert not any(secret.encode() in text for text in command_lines())


def test_a_run_outlives_the_connection_and_a_command_that_was_killed(folder, ssh_node, disk, mlgit, run_json):
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(4)\n")
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0  # it does not wait
    (run,) = run_json(folder, "job", "list")
    assert run["status"] in {"queued", "running"}
    ssh_node.cut()
    try:
        status = mlgit("status", cwd=folder)
        assert status.code == 0
        assert "127.0.0.1" in status.err
        assert "(backend box) does not answer" in status.err
        (cut,) = run_json(folder, "job", "list")
        assert (cut["run"], cut["status"]) in {(run["run"], "queued"), (run["run"], "running")}
    finally:
        ssh_node.join()
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (completed,) = run_json(folder, "job", "list")
    assert (completed["run"], completed["status"]) == (run["run"], "completed")


def test_an_apply_that_was_killed_is_resumed_and_its_run_is_executed_once(folder, disk, mlgit, mlgit_process, run_json):
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(3)\n")
    commit(folder)
    process = mlgit_process(*APPLY, cwd=folder)
    until(lambda: list(disk.glob("runs/sum-*/command.json")))
    process.kill()
    process.communicate()
    process = mlgit_process(*APPLY, cwd=folder)
    printed, errors = process.communicate()
    assert process.returncode == 0, printed + errors
    assert not any(word in errors for word in ("Traceback", "Task was destroyed", "never awaited"))
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], [path.name for path in disk.glob("runs/*")]) == ("completed", [run["run"]])
    assert mlgit("job", "logs", "sum", cwd=folder).out == "total 6\n"


def test_a_step_of_a_pipeline_runs_on_the_machine(folder, disk, mlgit, run_json):
    put_pipeline(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (run,) = run_json(folder, "job", "list")
    assert run["status"] == "completed"
    (log,) = disk.glob("runs/*/user_logs/std_log.txt")
    assert log.read_text() == "one step\n"


def test_objects_go_between_the_machine_and_a_store_on_a_service(folder, on_service, ssh_node, mlgit):
    with CutProxy(on_service) as proxy, ssh_node.way_out(on_service, proxy.port):
        ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "by itself" not in ended.out + ended.err
    assert {method for method, path in proxy.requests if "files/md5" in path} == {"GET", "PUT"}
    assert "No changes" in mlgit("plan", cwd=folder).out


def test_an_apply_notes_that_a_machine_does_not_reach_the_store(folder, on_service, mlgit):
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (line, *_) = [line for line in ended.out.splitlines() if "by itself" in line]
    assert "job/sum: 127.0.0.1 does not reach the store at az://" in line
    assert line.endswith("by itself (127.0.0.1: Connection refused): files go through this machine")
    secrets = ("sig=", "?se=")
    assert not [secret for secret in secrets if secret in ended.out + ended.err]


def test_a_pipeline_notes_that_a_machine_does_not_reach_the_store(folder, on_service, mlgit):
    data = "inputs: {table: {type: uri_file, path: data/a.csv}}\n    command: cat ${{inputs.table}}"
    put_pipeline(folder)
    pipeline = (folder / "jobs/sum.yml").read_text(encoding="utf-8")
    write(folder, {"jobs/sum.yml": pipeline.replace("command: echo one step", data), "jobs/data/a.csv": "1\n"})
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    log = mlgit("job", "logs", "sum", cwd=folder).out
    assert log.count("127.0.0.1 does not reach the store at az://") == 1
    assert "by itself (127.0.0.1: Connection refused): files go through this machine\n" in log


def test_a_run_goes_on_where_it_was_submitted_if_the_folder_of_its_backend_changes(folder, disk, mlgit, run_json):
    assert_a_run_goes_on(folder, disk, mlgit, run_json)


def test_cancel_leaves_no_process_on_the_machine(folder, disk, mlgit, run_json):
    edit(
        folder,
        "src/sum.py",
        "import pathlib, sys\n",
        "import pathlib, subprocess, sys, time\nsubprocess.Popen(['setsid', 'sleep', '300'])\ntime.sleep(300)\n",
    )
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    files = disk / "runs" / run["run"]
    until(lambda: len(find_marked(files)) >= 2)
    started = time.monotonic()
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    until(lambda: not find_marked(files), 60 - (time.monotonic() - started))


def test_a_run_whose_outputs_could_not_be_read_because_of_a_cut_is_not_failed(folder, disk, mlgit, run_json, tmp_path):
    program, cut = tmp_path / "python", tmp_path / "cut"
    program.write_text(CUT.format(python=PYTHON, cut=str(cut)))
    program.chmod(0o755)
    edit(folder, "mlgit.yml", f"python: {PYTHON}", f"python: {program}")
    commit(folder)
    cut.touch()
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "[backend-unreachable]" in ended.out
    assert "the connection was cut" in ended.out
    assert "waiting until it answers" not in ended.out + ended.err
    (run,) = run_json(folder, "job", "list")
    assert run["status"] != "failed"
    cut.unlink()
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert f"model/total: version 1 from run {run['run']}" in ended.out


def test_gc_removes_old_folders_of_runs_from_the_machine(folder, ssh_node, disk, mlgit, run_json):
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (run,) = run_json(folder, "job", "list")
    path = disk / "runs" / run["run"]
    assert "Not needed: nothing" in mlgit("gc", cwd=folder).out.partition("Run folders")[2]
    for file in (path, *path.rglob("*")):
        os.utime(file, (0, 0), follow_symlinks=False)
    shown = mlgit("gc", cwd=folder)
    assert f"Run folders {folder}/.mlgit/store/runs, 127.0.0.1:{disk}/runs" in shown.out
    assert json.loads(mlgit("gc", "--format", "json", cwd=folder).out)["run_folders"]["garbage"][0]["paths"] == [
        f"127.0.0.1:{path}"
    ]
    assert path.is_dir()
    ssh_node.cut()
    try:
        unreachable = mlgit("gc", "--remove", cwd=folder)
    finally:
        ssh_node.join()
    assert unreachable.code == 0, unreachable.out + unreachable.err
    assert "its folders of runs are not looked at" in unreachable.err
    removed = mlgit("gc", "--remove", cwd=folder)
    assert "Run folders: removed 1 folder" in removed.out
    assert not path.exists()


def test_gc_leaves_the_folder_of_a_run_that_goes_on(folder, disk, mlgit, run_json):
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(300)\n")
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    until((disk / "runs" / run["run"] / "command.json").exists)
    for file in (disk / "runs" / run["run"]).iterdir():
        os.utime(file, (0, 0), follow_symlinks=False)
    assert "of runs whose end is not recorded" in mlgit("gc", "--remove", cwd=folder).out
    assert (disk / "runs" / run["run"]).is_dir()
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0


def test_a_machine_with_another_host_key_gets_nothing_and_the_error_says_why(folder, ssh_node, disk, mlgit):
    shutil.copy(ssh_node.folder / "other_hosts", folder / ".secrets/hosts")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "shows another host key than" in ended.out + ended.err
    assert "[backend-host-key]" in ended.out
    (folder / ".secrets/hosts").write_text("")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert f"the host key of [127.0.0.1]:{ssh_node.port} is not known" in ended.out + ended.err
    (folder / ".secrets/hosts").write_text("# hosts\nword\n")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    message = (
        f"{folder / '.secrets/hosts'}:2: this is no entry of a file of known hosts: that has a host, the type of its "
    )
    assert message in " ".join((ended.out + ended.err).split())
    assert "correct or remove the line, or set another file as known_hosts: in mlgit.yml" in ended.out + ended.err
    assert " word" not in ended.out + ended.err
    write(folder, {".secrets/key": ssh_node.key("stranger")})
    shutil.copy(ssh_node.folder / "known_hosts", folder / ".secrets/hosts")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    assert "does not accept the private key" in ended.out + ended.err
    assert "[backend-credential]" in ended.out
    assert not disk.exists()


@pytest.mark.parametrize("machine", ["gpu1;id", "$(id)", "-oProxyCommand=id", "gpu1`id`"])
def test_a_machine_whose_name_a_shell_would_obey_is_refused(folder, mlgit, machine):
    edit(folder, "mlgit.yml", "machine: 127.0.0.1", f"machine: '{machine}'")
    checked = mlgit("validate", cwd=folder)
    assert checked.code == 1
    assert "mlgit.yml:" in checked.out + checked.err
    assert "the name or the address of a machine, such as gpu1.example.com" in checked.out + checked.err


def test_a_user_with_a_control_character_is_refused(folder, ssh_node, mlgit):
    edit(folder, "mlgit.yml", f"user: {ssh_node.user}", 'user: "ro\\not"')
    checked = mlgit("validate", cwd=folder)
    assert checked.code == 1
    assert "the name of a user, without blanks" in checked.out + checked.err


def test_what_the_machine_cannot_do_is_refused_in_the_plan_with_its_position(folder, mlgit):
    edit(folder, "jobs/sum.yml", "compute: local\n", "compute: local\nresources: {instance_count: 2}\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert "jobs/sum.yml:7:" in planned.out + planned.err
    assert "not-supported" in planned.out + planned.err


def test_a_password_that_is_bound_to_no_such_field_is_a_warning(folder, mlgit):
    edit(folder, "mlgit.yml", "fields: [/private_key]", "fields: [/private_key, /pasword]")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert "no asset that the secret box-key is bound to has the field /pasword" in planned.err
    assert "did you mean /password?" in planned.err
