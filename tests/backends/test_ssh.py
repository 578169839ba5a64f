"""What is specific to the backend `ssh`, on a node that sees neither the store nor the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from services.ports import free_port
from services.ssh_node import CHECKOUT, PASSPHRASE, open_ssh

from reconciler.backends import _node_client, _node_files
from reconciler.backends._node_answers import read_outputs
from reconciler.backends._node_grants import GrantedTransfers
from reconciler.backends._node_program import program_command
from reconciler.diagnostics import UserError
from reconciler.model import Handle, Phase
from reconciler.model.backend import RunFolder
from reconciler.model.tasks import Image, Prefix, TaskContent, TaskOutput

MODEL = {"model": TaskOutput("uri_folder")}
pytestmark = pytest.mark.services


@pytest.fixture(params=["ssh"])
def bench(bench):
    return bench


@pytest.fixture
def sent(monkeypatch):
    """Return the digests that were sent to the node so far."""
    digests = []

    def send_objects(channel, wanted, paths, store):
        digests.extend(wanted)
        return _node_files.send_objects(channel, wanted, paths, store)

    monkeypatch.setattr(_node_client, "send_objects", send_objects)
    return digests


def code_of(caught):
    return caught.value.diagnostics[0].code


def message_of(caught):
    return caught.value.diagnostics[0].message


def test_the_node_sees_neither_the_store_nor_the_checkout(bench):
    bench.file("a.csv", "1,2,3\n")
    for folder in (bench.store.root, CHECKOUT):
        assert any(folder.iterdir())
        assert bench.node.run("ls", "-A", str(folder)) == ""


def test_equal_content_is_sent_once_and_what_a_run_has_made_is_not_sent_at_all(bench, sent):
    table = bench.file("a.csv", "1,2,3\n")
    inputs = {"table": TaskContent("uri_file", "ro_mount", table)}
    first = bench.submit(
        bench.task(
            "cp ${{inputs.table}} ${{outputs.model}}; echo new > ${{outputs.model}}/b", inputs=inputs, outputs=MODEL
        )
    )
    assert bench.wait_until_ended(first).phase is Phase.SUCCEEDED, bench.log(first)
    assert table.digest in sent
    made = bench.backend.collect(first, bench.store).outputs["model"]
    sent.clear()
    inputs["model"] = TaskContent("uri_folder", "ro_mount", made)
    second = bench.submit(bench.task("cat ${{inputs.table}} ${{inputs.model}}/b", inputs=inputs, name="second"))
    assert bench.wait_until_ended(second).phase is Phase.SUCCEEDED, bench.log(second)
    assert (sent, bench.log(second)) == ([], "1,2,3\nnew\n")


def test_an_object_of_the_cache_that_was_damaged_is_sent_again(bench, sent):
    table = bench.file("a.csv", "of this test alone\n")
    inputs = {"table": TaskContent("uri_file", "ro_mount", table)}
    bench.wait_until_ended(bench.submit(bench.task("cat ${{inputs.table}}", inputs=inputs)))
    path = bench.folder / "store/files/md5" / table.digest[:2] / table.digest[2:]
    path.chmod(0o600)
    path.write_text("of this text alone\n")
    handle = bench.submit(bench.task("cat ${{inputs.table}}", inputs=inputs, name="second"))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert (sent.count(table.digest), bench.log(handle)) == (2, "of this test alone\n")


def test_an_output_that_changes_before_it_is_read_is_an_error(bench):
    handle = bench.submit(bench.task("echo my model > ${{outputs.model}}/a", outputs=MODEL))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    with bench.backend._connection.channel() as channel:
        outputs = read_outputs(channel.ask({"do": "collect", "run": handle.id}))
        (file,) = outputs["model"].files
        digest = file.digest
        path = bench.folder / "store/files/md5" / digest[:2] / digest[2:]
        path.chmod(0o600)
        path.write_text("no model\n")
        with pytest.raises(UserError) as caught:
            _node_files.store_outputs(channel, outputs, bench.store, bench.folder / "received", GrantedTransfers("box"))
    path.unlink()
    assert code_of(caught) == "content-corrupt"
    assert bench.store.missing([digest])


def test_many_runs_are_polled_by_one_request(bench, monkeypatch):
    backend = bench.backend
    backend.usage()  # the connection is made
    with backend._connection.channel() as channel:
        asked, ask = [], channel.ask
        monkeypatch.setattr(channel, "ask", lambda document: asked.append(document["do"]) or ask(document))
    backend.poll([Handle("ssh", f"gone-{number:08x}") for number in range(500)])
    assert asked == ["poll"]


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ({"/private_key": "stranger"}, "does not accept the private key"),
        ({"/private_key": "locked"}, "the private key cannot be read as a private key"),
        ({"/private_key": "locked", "/passphrase": "wrong"}, "the private key and the passphrase cannot be read"),
        ({"/password": "guess"}, "does not accept the password"),
    ],
)
def test_a_credential_that_is_not_accepted_is_named_without_its_value(bench, secrets, message):
    values = {pointer: bench.node.key(text) if pointer == "/private_key" else text for pointer, text in secrets.items()}
    backend = open_ssh(bench.node, bench.folder, values)
    with pytest.raises(UserError) as caught:
        backend.usage()
    assert message in message_of(caught)
    assert code_of(caught) == "backend-credential"
    assert not any(text in str(caught.value) for text in ("BEGIN", "guess", "wrong"))
    handle = Handle("ssh", "train-00000000")
    assert backend.poll([handle])[handle].phase is Phase.UNKNOWN


def test_a_user_that_ssh_cannot_send_is_an_error(bench):
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, bench.folder, user="ro\not").usage()
    assert code_of(caught) == "backend-credential"
    assert message_of(caught).endswith("the user or the password has a character that ssh cannot send")


def test_settings_that_do_not_suit_the_machine_are_an_error_of_the_settings(bench):
    backend = open_ssh(bench.node, bench.folder, gpus=1, gpus_per_run=3)
    for ask in (backend.usage, lambda: backend.submit(bench.task("true"), bench.store)):
        with pytest.raises(UserError) as caught:
            ask()
        (diagnostic,) = caught.value.diagnostics
        place = f"{bench.node.user}@127.0.0.1:{bench.node.port}"
        assert diagnostic.message == f"{place}: a run takes 3 GPUs (gpus_per_run), but the backend has 1"
        assert diagnostic.hint == "correct gpus_per_run: or gpus: in mlgit.yml"


def test_a_key_with_a_passphrase_may_log_on(bench):
    secrets = {"/private_key": bench.node.key("locked"), "/passphrase": PASSPHRASE}
    assert open_ssh(bench.node, bench.folder, secrets).find("0" * 40) is None


def test_the_key_of_the_machine_may_be_in_the_settings(bench):
    key = bench.node.public("host").strip()
    backend = open_ssh(bench.node, bench.folder, known_hosts="absent", host_key=key)
    assert backend.find("0" * 40) is None
    backend = open_ssh(bench.node, bench.folder, host_key=bench.node.public("other_host").strip())
    with pytest.raises(UserError) as caught:
        backend.find("0" * 40)
    assert "shows another host key than host_key: of mlgit.yml" in message_of(caught)
    assert code_of(caught) == "backend-host-key"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.write_text("secret\n"),
            "{}:1: this is no entry of a file of known hosts: that has a host, the type of its key, and the key",
        ),
        (lambda path: path.write_bytes(b"\n\xff\0\n"), "{}:2: this is no entry of a file of known hosts"),
        (
            lambda path: path.write_text("# hosts\n@secret gpu1 ssh-ed25519 AAAA\n"),
            "{}:2: this is no entry of a file of known hosts: its marker is neither @cert-authority nor @revoked",
        ),
        (
            lambda path: path.write_text("gpu1 ssh-ed25519 AAAA\n"),
            "the host key of {name} is not known: {} has none of it",
        ),
        (lambda _: None, "the host key of {name} is not known: {} has none of it"),
        (lambda path: path.mkdir(), "{}, which has the keys of hosts, cannot be read: Is a directory"),
        (os.mkfifo, "{}, which has the keys of hosts, cannot be read: Not a regular file"),
        (
            lambda path: path.symlink_to("/dev/zero"),
            "{}, which has the keys of hosts, cannot be read: Not a regular file",
        ),
        (lambda path: os.truncate(path, 1 << 23) if path.touch() is None else 0, "{}, which is to have the keys"),
    ],
)
def test_a_file_of_known_hosts_that_is_none_is_named_and_nothing_of_it_is_shown(bench, tmp_path, make, message):
    path = tmp_path / "hosts"
    make(path)
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, bench.folder, known_hosts=str(path)).usage()
    assert code_of(caught) == "backend-host-key"
    assert message_of(caught).startswith(message.format(path, name=f"[127.0.0.1]:{bench.node.port}"))


def test_a_key_of_a_known_host_that_cannot_be_read_is_named_by_its_line(bench, tmp_path):
    path, name = tmp_path / "hosts", f"[127.0.0.1]:{bench.node.port}"
    path.write_text(f"gpu1 ssh-ed25519 AAAA\ngpu2,{name} {bench.node.public('host').strip()[:60]}\n")
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, bench.folder, known_hosts=str(path)).usage()
    assert code_of(caught) == "backend-host-key"
    assert message_of(caught) == f"{path}:2: the key of {name} cannot be read"


def test_a_host_key_that_is_none_is_named(bench):
    for key in ("ssh-ed25519 AAAA", "ssh-dsa AAAA"):
        with pytest.raises(UserError) as caught:
            open_ssh(bench.node, bench.folder, host_key=key).usage()
        assert code_of(caught) == "backend-host-key"
        assert "host_key: of mlgit.yml has none of it" in message_of(caught)


def test_a_machine_whose_name_has_no_address_is_no_unknown_host_key(bench):
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, bench.folder, machine="nohost.invalid").usage()
    assert code_of(caught) == "backend-unreachable"
    assert message_of(caught).endswith("(backend box) cannot be reached: its name has no address")


def test_a_port_where_nothing_listens_says_so(bench):
    backend = open_ssh(bench.node, bench.folder, host_key=bench.node.public("host").strip(), port=free_port())
    with pytest.raises(UserError) as caught:
        backend.usage()
    assert code_of(caught) == "backend-unreachable"
    assert message_of(caught).endswith("(backend box) does not answer: nothing listens on this port")


def test_a_python_below_the_home_of_the_machine_is_found_by_any_shell(bench):
    command = program_command("~/it's here/python3", str(bench.folder))
    done = subprocess.run(
        ["sh", "-c", command.replace("exec ", "printf %s ", 1)],
        check=True,
        capture_output=True,
        text=True,
        env={"HOME": "/home/ml"},
    )
    assert done.stdout.startswith("/home/ml/it's here/python3-I-S-c")


def test_a_program_that_is_damaged_on_the_machine_is_sent_again(bench, tmp_path):
    folder = tmp_path / "disk"
    assert open_ssh(bench.node, folder).find("0" * 40) is None
    modules = list(folder.glob("programs/*/reconciler/backends/__pycache__/_node.*.pyc"))
    assert modules
    for path in modules:  # as a disk that is full leaves it
        os.truncate(path, 100)
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, folder).find("0" * 40)
    assert code_of(caught) == "backend-program"
    assert open_ssh(bench.node, folder).find("0" * 40) is None


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false"])
def test_a_machine_without_the_python_says_so(bench, python):
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, bench.folder, python=python).usage()
    assert "the program of mlgit could not be started" in message_of(caught)
    assert "python: of the backend" in caught.value.diagnostics[0].hint
    assert code_of(caught) == "backend-program"


def test_an_environment_that_the_machine_cannot_use_is_refused(bench, tmp_path):
    other = tmp_path / "other"
    (other / "lib/python3.99").mkdir(parents=True)
    (other / "bin").mkdir()
    (other / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for environment, code in (
        (Prefix(str(other), "here"), "environment-unusable"),
        (Prefix(str(tmp_path / "conda"), "here"), "environment-form"),
        (Image("python", "sha256:0"), "environment-form"),
    ):
        with pytest.raises(UserError) as caught:
            bench.submit(bench.task("true", environment=environment))
        assert code_of(caught) == code


def test_a_cut_ends_what_follows_a_log_and_leaves_the_run_alone(bench):
    handle = bench.submit(bench.task("echo up; sleep 6; echo down"))
    bench.wait_until_running(handle)
    backend = bench.backend
    log = backend.log(handle, follow=True)
    assert next(log) == b"up\n"
    bench.node.cut()
    try:
        with pytest.raises(UserError) as caught:
            list(log)
        assert code_of(caught) == "backend-unreachable"
        condition = backend.poll([handle])[handle]
        assert condition.phase is Phase.UNKNOWN
        assert "(backend box) does not answer" in condition.message
    finally:
        bench.node.join()
    assert b"".join(backend.log(handle, 3, follow=True)) == b"down\n"
    assert backend.poll([handle])[handle].phase is Phase.SUCCEEDED
    assert b"".join(backend.log(handle, -5, follow=True)) == b"down\n"


@pytest.mark.slow
def test_a_machine_that_hangs_is_noticed(bench):
    backend = bench.backend
    backend.usage()
    handle = Handle("ssh", "train-00000000")
    with bench.node.hang():
        started = time.monotonic()
        assert backend.poll([handle])[handle].phase is Phase.UNKNOWN
        assert 10 < time.monotonic() - started < 120
    assert backend.poll([handle])[handle].phase is Phase.GONE


def test_to_open_the_backend_imports_no_client_of_ssh():
    code = (
        "import sys; from pathlib import Path; from reconciler.backends import load_backend\n"
        "load_backend({'type': 'ssh', 'machine': 'gpu1'}, Path('absent'))\n"
        "print('asyncssh' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_more_requests_at_once_than_a_server_has_channels_for_are_all_answered(bench):
    backend = bench.backend
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda number: backend.find(f"{number:040x}"), range(20)))
    assert found == [None] * 20


def test_what_ends_the_program_on_the_machine_is_in_the_error(bench):
    with pytest.raises(UserError) as caught, bench.backend._connection.channel() as channel:
        channel.ask({"do": "dance"})
    assert "ended: AttributeError: '_Node' object has no attribute '_dance'" in message_of(caught)


def test_no_other_folder_of_the_machine_is_removed_than_that_of_a_run(bench, tmp_path):
    (tmp_path / "own").mkdir()
    for path in (tmp_path / "own", bench.folder / "store", bench.folder / "runs/../store"):
        assert not bench.backend.remove_run_folder(RunFolder(f"127.0.0.1:{path}", "", 0.0, 0, is_left=True))
    assert (tmp_path / "own").is_dir()
    assert bench.folder.is_dir()


def test_a_folder_that_others_can_write_to_is_not_used_and_stays_open_to_them(bench, tmp_path):
    folder = tmp_path / "shared"
    (folder / "of_others").mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, folder).usage()
    assert code_of(caught) == "backend-program"
    assert message_of(caught).endswith("can be written by other users: name a new folder for mlgit with folder:")
    assert (folder.stat().st_mode & 0o777, [path.name for path in folder.iterdir()]) == (0o777, ["of_others"])


def test_a_folder_of_another_user_is_not_used(bench, tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir(0o755)
    os.chown(folder, 65534, 65534)
    with pytest.raises(UserError) as caught:
        open_ssh(bench.node, folder).usage()
    assert message_of(caught).endswith("belongs to another user: what is in it would be executed")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("name", "mode", "after"), [("notes", 0o755, 0o755), ("runs", 0o775, 0o700)])
def test_a_folder_of_the_user_keeps_its_mode_unless_it_is_of_mlgit_alone(bench, tmp_path, name, mode, after):
    folder = tmp_path / "own"
    (folder / name).mkdir(parents=True)
    folder.chmod(mode)
    assert open_ssh(bench.node, folder).find("0" * 40) is None
    assert folder.stat().st_mode & 0o777 == after
    assert (folder / "programs").stat().st_mode & 0o777 == 0o700
