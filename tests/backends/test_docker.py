"""What is specific to the backend `docker`, whose runs are containers of a real engine."""

from __future__ import annotations

import io
import json
import os
import pwd
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from services import base_image
from workspaces import until

from reconciler.backends import _docker, load_backend
from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.model.task_json import task_to_json
from reconciler.model.tasks import Compute, Image, Resources, TaskOutput

MODEL = {"model": TaskOutput("uri_folder")}
pytestmark = pytest.mark.services


@pytest.fixture(params=["docker"])
def bench(bench):
    return bench


@pytest.fixture
def no_containers(bench):
    """Return True if the engine has no container of a run of the backend."""
    command = ("ps", "--all", "--format", '{{.Label "dev.mlgit.folder"}}', "--filter", "label=dev.mlgit.run")
    return lambda: str(bench.folder) not in bench.engine.run(*command)


def submit(bench, command, settings=None, **fields):
    """Submit a task to the backend with settings; return what the engine says of its container, and the handle."""
    task = bench.task(command, **fields)
    handle = bench.started[task.token] = bench.open(**settings or {}).submit(task, bench.store)
    return json.loads(bench.engine.run("inspect", task.token))[0], handle


def pid_of_supervisor(bench, handle):
    path = bench.folder / "runs" / handle.id / "supervisor.json"
    return json.loads(until(lambda: path.exists() and path.read_text()))["pid"]


def import_image(bench, name, keep, changes=()):
    """Import a part of the base image; return it."""
    output = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(base_image.archive())) as source,
        tarfile.open(fileobj=output, mode="w") as target,
    ):
        for member in source.getmembers():
            if keep(member.name):
                target.addfile(member, source.extractfile(member) if member.isreg() else None)
    with bench.engine.client() as client:
        client.api.import_image_from_data(output.getvalue(), repository=name, tag="1", changes=list(changes))
        return Image(f"{name}:1", client.images.get(f"{name}:1").id)


def test_a_container_is_named_by_its_token_and_is_gone_when_its_run_has_ended(bench, no_containers):
    container, handle = submit(bench, "echo good day")
    assert container["Config"]["Labels"]["dev.mlgit.run"] == handle.id
    assert container["Config"]["Labels"]["dev.mlgit.token"] == container["Name"].removeprefix("/")
    assert container["HostConfig"]["AutoRemove"] is False
    assert container["HostConfig"]["NetworkMode"] != "host"
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    until(no_containers)


def test_a_run_that_was_canceled_or_ran_out_of_time_leaves_no_container(bench, no_containers):
    waiting, late = (
        submit(bench, "echo up; sleep 300", name=name, resources=Resources(timeout=timeout))[1]
        for name, timeout in (("waiting", None), ("late", 0.5))
    )
    bench.wait_until_running(waiting)
    assert bench.backend.cancel(waiting)
    assert bench.condition(waiting).reason == CANCELED
    assert bench.wait_until_ended(late).result["failure"]["class"] == "timeout"
    until(no_containers)


def test_a_run_that_was_canceled_in_the_queue_leaves_no_container(bench, no_containers):
    narrow = Compute("narrow", {"type": "computeinstance"})
    _, first = submit(bench, "echo up; sleep 300", name="first", compute=narrow)
    _, second = submit(bench, "echo up", name="second", compute=narrow)
    assert bench.backend.cancel(second)
    assert bench.condition(second).reason == CANCELED
    bench.backend.cancel(first)
    assert no_containers()


def test_a_run_whose_supervisor_was_killed_goes_on_and_its_container_is_removed(bench, no_containers):
    task = bench.task("echo up; sleep 2; echo end")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    os.kill(pid_of_supervisor(bench, handle), signal.SIGKILL)
    assert bench.condition(handle).phase is Phase.RUNNING
    assert bench.backend.find(task.token) == handle
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "up\nend\n"
    bench.backend.cancel(handle)
    assert no_containers()


def test_a_run_whose_supervisor_was_killed_can_be_canceled(bench, no_containers):
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    os.kill(pid_of_supervisor(bench, handle), signal.SIGKILL)
    assert bench.backend.cancel(handle)
    assert bench.condition(handle).reason == CANCELED
    assert no_containers()


def test_a_submission_that_was_killed_before_the_run_was_queued_is_done_again(bench, monkeypatch):
    class KilledError(BaseException):
        pass

    def kill(*_arguments):
        raise KilledError

    task = bench.task("echo good day")
    with monkeypatch.context() as patch:
        patch.setattr(_docker, "with_locks", kill)
        with pytest.raises(KilledError):
            bench.submit(task)
    assert bench.engine.run("ps", "--all", "--quiet", "--filter", f"name={task.token}")
    assert bench.backend.find(task.token) is None
    handle = bench.submit(task)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "good day\n"


def test_a_container_of_another_folder_with_the_same_token_is_an_error(bench, tmp_path):
    task = bench.task("echo up; sleep 300")
    bench.submit(task)
    other = load_backend({"type": "docker", "engine": bench.engine.url}, tmp_path / "other")
    with pytest.raises(UserError, match="has a container of this run already") as caught:
        other.submit(task, bench.store)
    assert caught.value.diagnostics[0].code == "container-refused"


# Submits a task as another user, who may read all files of this machine, as its Python can be in the home of root.
SUBMIT = """
import json, sys
from pathlib import Path
from reconciler.backends import load_backend
from reconciler.model.task_json import task_from_json
from reconciler.storage.folder_store import FolderStore
engine, folder, store, task = sys.argv[1:]
backend = load_backend({"type": "docker", "engine": engine}, Path(folder))
backend.submit(task_from_json(json.loads(task)), FolderStore(Path(store)))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="submits as another user, which needs root")
def test_all_files_of_a_run_belong_to_a_user_who_is_not_root(bench):
    user, socket = pwd.getpwnam("nobody"), Path(bench.engine.url.removeprefix("unix://"))
    socket.chmod(0o666)
    for folder in (bench.folder, bench.store.root):
        folder.mkdir(exist_ok=True)
        os.chown(folder, user.pw_uid, user.pw_gid)
    say = "python -c 'import getpass, os; print(getpass.getuser(), os.access(os.environ[\"HOME\"], os.W_OK))'"
    task = bench.task(f"id -u; {say}; echo 1 > ${{{{outputs.model}}}}/a; mkdir outputs/b", outputs=MODEL)
    as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    reading = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    arguments = (bench.engine.url, str(bench.folder), str(bench.store.root), json.dumps(task_to_json(task)))
    variables = {**os.environ, "USER": "nobody", "LOGNAME": "nobody", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([*as_user, *reading, sys.executable, "-c", SUBMIT, *arguments], check=True, env=variables)
    handle = bench.started[task.token] = bench.backend.find(task.token)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert bench.log(handle) == f"{user.pw_uid}\nnobody True\n"
    assert {path.lstat().st_uid for path in (bench.folder / "runs").rglob("*")} == {user.pw_uid}


def test_what_a_container_may_use_is_what_its_job_says_or_else_the_settings(bench):
    settings = {"cpus": 1.5, "memory": "256m", "shm_size": "32m", "network": "none"}
    command = "df -k /dev/shm | tail -1 | awk '{print $2}'; cat /sys/class/net/*/address | wc -l; ulimit -n"
    container, handle = submit(bench, command, settings)
    host = container["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["ShmSize"]) == (1_500_000_000, 256 << 20, 32 << 20)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert bench.log(handle).split()[:2] == [str(32 << 10), "1"]
    resources = Resources(shm=48 << 20, docker_args="--cpus=0.5 -m 128m --ulimit nofile=300:400 --pids-limit=90")
    container, handle = submit(bench, command, settings, name="own", resources=resources)
    host = container["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 128 << 20, 90)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert bench.log(handle).split() == [str(48 << 10), "1", "300"]


def test_a_container_without_a_size_of_its_own_has_the_shared_memory_of_azure_ml(bench):
    container, _ = submit(bench, "true")
    assert container["HostConfig"]["ShmSize"] == 2 << 30


def test_arguments_of_docker_that_are_not_passed_on_are_refused(bench):
    with pytest.raises(UserError, match="--privileged is not supported") as caught:
        bench.submit(bench.task("true", resources=Resources(docker_args="--privileged")))
    assert caught.value.diagnostics[0].code == "not-supported"


@pytest.mark.parametrize("setting", [{"memory": "1b"}, {"cpus": 9999}])
def test_a_container_that_the_engine_refuses_is_no_engine_that_does_not_answer(bench, setting):
    with pytest.raises(UserError, match=r"Minimum memory|Range of CPUs") as caught:
        bench.open(**setting).submit(bench.task("true"), bench.store)
    assert caught.value.diagnostics[0].code == "container-refused"


def test_a_run_that_uses_more_memory_than_it_has_fails_and_says_so(bench):
    script = "python -c 'x = bytearray(600_000_000); print(len(x))'"
    _, handle = submit(bench, script, {"memory": "128m"})
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    assert "ran out of memory: it may use 128 MiB" in condition.result["failure"]["message"]


def test_a_run_with_gpus_is_refused_before_its_submission_by_an_engine_that_has_none(bench, no_containers):
    with pytest.raises(UserError, match=r"a run takes GPUs \(1 of 2\), and the Docker engine cannot give") as caught:
        submit(bench, "true", {"gpus": 2})
    (problem,) = caught.value.diagnostics
    assert problem.code == "gpus-missing"
    assert "its runtimes: " in problem.message
    assert "runc" in problem.message
    assert no_containers()
    assert not bench.engine.run("ps", "--all", "--quiet", "--filter", "label=dev.mlgit.probe")


def test_an_image_without_python_gets_the_python_of_this_machine_which_its_command_does_not_see(bench):
    image = import_image(bench, "mlgit-tests/no-python", lambda name: "usr/local" not in name)
    _, handle = submit(bench, "command -v python3 || echo none; echo $LD_LIBRARY_PATH", environment=image)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert bench.log(handle) == "none\n\n"


def test_the_modules_of_the_runner_are_compiled_once_for_an_image_and_no_job_can_change_them(bench):
    script = (
        "import pathlib; folder = pathlib.Path('/mlgit/bytecode'); "
        "print(any(folder.rglob('dataclasses*.pyc'))); (folder / 'more').write_text('')"
    )
    _, handle = submit(bench, f'python -c "{script}"')
    assert bench.wait_until_ended(handle).phase is Phase.FAILED
    log = bench.log(handle)
    assert log.startswith("True\n")
    assert "Read-only file system: '/mlgit/bytecode/more'" in log


def test_the_bytecode_of_an_image_that_is_gone_is_removed_when_another_image_is_first_used(bench):
    notes, backend = bench.folder / "images", bench.open()
    one, two, three = (
        import_image(bench, f"mlgit-tests/{name}", lambda name: "usr/local" not in name, [f"LABEL n={name}"])
        for name in ("one", "two", "three")
    )
    backend.check_environment(one)
    of_one = {path.name for path in notes.iterdir()}
    backend.check_environment(two)
    of_two = {path.name for path in notes.iterdir()} - of_one
    assert len(of_one) == len(of_two) == 2, "its bytecode, and which Python it has"
    bench.engine.run("rmi", "--force", one.digest)
    backend.check_environment(three)
    assert of_two < {path.name for path in notes.iterdir()}
    assert not of_one & {path.name for path in notes.iterdir()}


def test_a_python_of_this_machine_that_the_engine_cannot_mount_matters_only_to_an_image_without_one(bench, tmp_path):
    settings = {"interpreter": str(tmp_path / "none")}
    _, handle = submit(bench, "echo good day", settings)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    image = import_image(bench, "mlgit-tests/no-python", lambda name: "usr/local" not in name)
    with pytest.raises(UserError, match="bind source path does not exist") as caught:
        submit(bench, "echo bad day", settings, environment=image)
    assert caught.value.diagnostics[0].code == "container-refused"


@pytest.mark.parametrize("keep", ["busybox", "nothing"])
def test_an_image_in_which_no_python_runs_is_refused_when_a_run_is_submitted(bench, keep, no_containers):
    def is_kept(name):
        return "usr/local" not in name and ".so" not in name if keep == "busybox" else name.startswith("root")

    image = import_image(bench, f"mlgit-tests/{keep}", is_kept)
    with pytest.raises(UserError, match="no job can run in the image") as caught:
        bench.submit(bench.task("true", environment=image))
    assert caught.value.diagnostics[0].code == "image-unusable"
    assert no_containers()
    assert not bench.engine.run("ps", "--all", "--quiet", "--filter", "label=dev.mlgit.probe")


DAMAGES = r"""#!/bin/sh
for file in $(grep -o '[^ ]*[.]pyz' /proc/mounts); do echo damage >>$file; done
exit 1
"""


def test_an_image_cannot_change_the_runner_that_is_executed_outside_of_containers(bench, tmp_path):
    (tmp_path / "python3").write_text(DAMAGES, "utf-8")
    (tmp_path / "python3").chmod(0o755)
    (tmp_path / "Dockerfile").write_text("FROM mlgit-tests/python:3\nCOPY python3 /usr/local/bin/python3\n", "utf-8")
    bench.engine.run("build", "--quiet", "--tag", "mlgit-tests/damages:1", str(tmp_path))
    image = Image(
        "mlgit-tests/damages:1", bench.engine.run("image", "inspect", "-f", "{{.Id}}", "mlgit-tests/damages:1")
    )
    assert bench.wait_until_ended(bench.submit(bench.task("true", environment=image))).phase is Phase.SUCCEEDED
    (runner,) = (bench.folder / "runners").glob("*.pyz")
    assert b"damage" not in runner.read_bytes()[-100:]


@pytest.mark.parametrize("target", ["link", "result"])
def test_a_job_cannot_give_files_outside_of_its_container_as_outputs(bench, tmp_path, target):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("secret", "utf-8")
    command = f"rm -r ${{{{outputs.model}}}}; ln -s {tmp_path}/secret ${{{{outputs.model}}}}"
    _, handle = submit(bench, command, outputs=MODEL)
    bench.wait_until_ended(handle)
    result = bench.folder / "runs" / handle.id / "result.json"
    outputs = {"model": {}} if target == "link" else {f"{tmp_path}/secret": {}}
    result.write_text(json.dumps(json.loads(result.read_text("utf-8")) | {"outputs": outputs}), "utf-8")
    with pytest.raises(UserError, match="leads out of its folder"):
        bench.backend.collect(handle, bench.store)


def test_an_image_that_the_engine_neither_has_nor_can_pull_is_an_error(bench):
    digest = "sha256:" + "0" * 64
    with pytest.raises(UserError, match="and cannot pull it") as caught:
        bench.submit(bench.task("true", environment=Image("127.0.0.1:5000/absent:1", digest)))
    assert caught.value.diagnostics[0].code == "image-not-found"


def test_an_image_of_a_registry_is_pulled_by_its_digest(bench):
    name = "127.0.0.1:5000/pulled"
    import_image(bench, name, lambda _: True, base_image.CHANGES)
    bench.engine.run("push", "--quiet", f"{name}:1")
    digest = bench.engine.run("image", "inspect", "--format", "{{index .RepoDigests 0}}", f"{name}:1").partition("@")[2]
    bench.engine.run("image", "rm", "--force", f"{name}:1", f"{name}@{digest}")
    _, handle = submit(bench, "echo good day", environment=Image(f"{name}:1", digest))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED


def test_variables_that_the_image_sets_are_those_of_the_command_and_not_of_the_engine(bench):
    changes = [*base_image.CHANGES, "ENV GREETING=image LEVEL=image HOME=/root"]
    image = import_image(bench, "mlgit-tests/variables", lambda _: True, changes)
    container, handle = submit(
        bench, "echo $GREETING $LEVEL $HOME; python -V", environment=image, variables={"LEVEL": "job", "KEY": "s3cr3t"}
    )
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    version = ".".join(map(str, sys.version_info[:3]))
    home = bench.folder / "runs" / handle.id / "home"
    assert bench.log(handle) == f"image job {home}\nPython {version}\n"
    assert "s3cr3t" not in json.dumps(container)


def test_a_container_that_is_removed_by_hand_is_a_lost_run(bench):
    task = bench.task("echo up; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    bench.engine.run("rm", "--force", task.token)
    until(lambda: bench.condition(handle).phase is Phase.GONE)
    assert "container" in bench.condition(handle).message


def test_an_engine_that_does_not_answer_is_unreachable_and_its_runs_stand(bench, tmp_path):
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    os.kill(pid_of_supervisor(bench, handle), signal.SIGKILL)
    absent = load_backend({"type": "docker", "engine": f"unix://{tmp_path}/absent.sock"}, bench.folder)
    until(lambda: absent.poll([handle])[handle].phase is Phase.UNKNOWN)
    assert "does not answer" in absent.poll([handle])[handle].message
    with pytest.raises(UserError, match="does not answer") as caught:
        absent.submit(bench.task("true"), bench.store)
    assert caught.value.diagnostics[0].code == "backend-unreachable"
    assert "systemctl start docker" in caught.value.diagnostics[0].hint


def test_an_engine_of_another_machine_is_refused():
    with pytest.raises(UserError, match="needs an engine of this machine"):
        load_backend({"type": "docker", "engine": "tcp://10.0.0.7:2375"}, Path("/nowhere"))
