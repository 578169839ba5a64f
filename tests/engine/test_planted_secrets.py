"""A secret of each source is planted, and found nowhere but where it came from, whatever succeeds and fails."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from workspaces import SMALL, commit, git, write

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
# Each could be a key of Azure: letters, digits and signs that URLs escape.
# Others in each process of the tests, which look at all processes of the machine.
SECRETS = {kind: f"Planted{kind.title()}+/{os.getpid():08d}{'q7Zx' * 6}==" for kind in ("env", "file", "keyring")}
SOURCES = {"env": "env:PLANTED_KEY", "file": "file:../private/key", "keyring": "keyring:mlgit/planted"}
FAILURES = {"error": "env", "refused": "file"}  # datastores that fail, and the secret that each gets
DATASTORE = """
    $schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json
    name: {name}
    type: azure_blob
    account_name: acc
    container_name: {name}
    """
DATA = """
    $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
    name: {name}
    type: uri_file
    path: azureml://datastores/{name}/paths/in.csv
    """
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: python look.py ${{{{inputs.data}}}} && {end}
    code: ../look
    environment: azureml:plain@latest
    inputs:
      data: {{type: uri_file, path: "azureml:{data}@latest"}}
    outputs:
      kept: {{type: uri_folder, path: "azureml://datastores/{data}/paths/kept/"}}
    """
ENTRY_POINTS = "[mlgit.datastores]\nplanted = planted_datastore:DATASTORE\n"
# Says all that a job can learn of where it runs.
LOOK = """
    import os, pathlib, sys
    print(pathlib.Path(sys.argv[1]).read_text(), dict(os.environ))
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                command = (process / "cmdline").read_bytes()
                if os.getppid() == int(process.name) or b"-m\\0reconciler\\0apply" in command:
                    print(name, (process / name).read_bytes())
            except OSError:
                pass
    """


def config() -> str:
    """Return mlgit.yml: a datastore for each source of a secret, and one for each way to fail."""
    settings = {
        kind: {"type": "planted", "path": f"../files/{kind}", "sha256": hashlib.sha256(secret.encode()).hexdigest()}
        for kind, secret in SECRETS.items()
    }
    failing = {name: {**settings[kind], "fails": name} for name, kind in FAILURES.items()}
    users = {kind: [f"datastore/{kind}"] for kind in SECRETS}
    for name, kind in FAILURES.items():
        users[kind].append(f"datastore/{name}")
    secrets = {
        f"{kind}-key": {"from": source, "for": users[kind], "fields": ["/credentials/account_key"]}
        for kind, source in SOURCES.items()
    }
    return f"datastores: {json.dumps({**settings, **failing})}\nsecrets: {json.dumps(secrets)}\n"


@pytest.fixture
def planted(tmp_path) -> Path:
    """Make a workspace with the datastores, a passing and a failing job of each, and the secrets beside it."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "key").write_text(SECRETS["file"] + "\n")
    (private / "keyring.json").write_text(json.dumps({"mlgit/planted": SECRETS["keyring"]}))
    write(
        tmp_path,
        {
            "plugin/planted-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: planted\nVersion: 1\n",
            "plugin/planted-1.dist-info/entry_points.txt": ENTRY_POINTS,
            **{f"files/{kind}/in.csv": f"1,{kind}\n" for kind in SECRETS},
        },
    )
    files = {name: text for name, text in SMALL.items() if name in (".gitignore", "environments/plain.yml")}
    for name in (*SECRETS, *FAILURES):
        files[f"datastores/{name}.yml"] = DATASTORE.format(name=name)
    for kind in SECRETS:
        files[f"data/{kind}.yml"] = DATA.format(name=kind)
        files[f"jobs/{kind}-passes.yml"] = JOB.format(name=f"{kind}-passes", data=kind, end="true")
        files[f"jobs/{kind}-fails.yml"] = JOB.format(name=f"{kind}-fails", data=kind, end="false")
    files["look/look.py"] = LOOK
    git(folder, "init", "--quiet")
    write(folder, {"mlgit.yml": SMALL["mlgit.yml"]})
    with (folder / "mlgit.yml").open("a") as file:
        file.write(config())
    commit(folder, "start", files)
    return folder


def environment_of(folder: Path) -> dict[str, str]:
    top = folder.parent
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (top / "plugin", TESTS, TESTS.parent))),
        "PLANTED_KEY": SECRETS["env"],
        "PLANTED_KEYRING": str(top / "private/keyring.json"),
        "PYTHON_KEYRING_BACKEND": "planted_datastore.FileKeyring",
        "TMPDIR": str(top / "tmp"),
        "HOME": str(top / "tmp"),
    }


def forms_of(secret: str) -> list[bytes]:
    """Return how a secret can be written: as it is, quoted for a URL and for JSON, and in base64."""
    return [
        secret.encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(secret.encode()),
    ]


FORMS = [form for secret in SECRETS.values() for form in forms_of(secret)]


def has_secret(data: bytes) -> bool:
    return any(form in data for form in FORMS)


@contextmanager
def watched_processes(found: set[str]) -> Iterator[None]:
    """Look at every process of this user all the time; note those that show a secret.

    The first environment of mlgit itself is what the user gave it, and a copy of it that has not become another
    program yet shows the same.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    cmdline = (process / "cmdline").read_bytes()
                    own = b"-m\0reconciler\0" in cmdline
                    is_shown = has_secret(cmdline) or (not own and has_secret((process / "environ").read_bytes()))
                    if is_shown and (process / "cmdline").read_bytes() == cmdline:
                        found.add(cmdline.replace(b"\0", b" ").decode(errors="replace")[:200])
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def objects_of(folder: Path) -> bytes:
    """Return all objects of a repository, unpacked."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


def test_no_secret_is_anywhere_after_jobs_that_pass_and_fail(planted, mlgit_process):
    printed: dict[str, str] = {}

    def run(*arguments: str) -> int:
        process = mlgit_process(*arguments, cwd=planted, env=environment_of(planted))
        out, err = process.communicate(timeout=300)
        printed[" ".join(arguments)] = out + err
        return process.returncode

    shown: set[str] = set()
    with watched_processes(shown):
        assert run("plan", "--format", "json") == 0
        assert run("apply", "--auto-approve", "--wait") == 1
        for command in ("status", "drift", "job list", "list", "log", "plan --refresh"):
            run(*command.split(), "--format", "json")
        for kind in SECRETS:
            run("show", f"datastore/{kind}", "--format", "json")
            run("job", "show", f"{kind}-passes", "--format", "json")
            run("job", "logs", f"{kind}-fails")
            assert run("data", "ls", f"{kind}/", "--format", "json") == 0
        for name in FAILURES:
            assert run("data", "ls", f"{name}/") == 1
        run("apply", "--auto-approve", "--wait", "--format", "json")

    apply = printed["apply --auto-approve --wait"]
    assert "datastore/error failed: RuntimeError: cannot connect with ***" in apply
    assert "*** may not do this" in apply
    statuses = {run["job"]: run["status"] for run in json.loads(printed["job list --format json"])}
    assert statuses == {
        f"job/{kind}-{end}": status
        for kind in SECRETS
        for end, status in (("passes", "completed"), ("fails", "failed"))
    }
    for kind in SECRETS:
        assert f"1,{kind}" in printed[f"job logs {kind}-fails"]
        assert "PATH" in printed[f"job logs {kind}-fails"]
    assert shown == set()
    assert [command for command, text in printed.items() if has_secret(text.encode())] == []
    assert "Traceback" not in "".join(printed.values())
    private = planted.parent / "private"
    files = [path for path in planted.parent.rglob("*") if path.is_file() and private not in path.parents]
    assert len(files) > 100, "the store, the runs and Git"
    assert [str(path) for path in files if has_secret(path.read_bytes())] == []
    assert not has_secret(objects_of(planted))


def test_a_planted_secret_would_be_found(planted, mlgit_process):
    """The looks above see what there is: in a file, in an object of Git, in a process."""
    commit(planted, "leak", {"leaked.txt": SECRETS["env"]})
    assert has_secret(objects_of(planted))
    shown: set[str] = set()
    with watched_processes(shown):
        subprocess.run(["sleep", "0.5"], env={**os.environ, "LEAK": SECRETS["file"]}, check=True)
    assert shown == {"sleep 0.5 "}
