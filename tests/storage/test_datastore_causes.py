"""Why a datastore fails, in one line: what the real services say, and what a proxy before them says in their place."""

from __future__ import annotations

import gc
import io
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import pytest
from services import azurite as azurites
from services.fault_proxy import azure_answer, in_front_of, s3_answer
from services.ports import free_port
from services.tls import TlsRecorder
from storage.datastore_benches import BENCHES, Bench, failure, params

from reconciler.diagnostics import UserError
from reconciler.model.datastores import Datastore
from reconciler.storage.datastores._causes import WRONG_CREDENTIAL
from reconciler.storage.datastores._errors import Place, make_error

WRONG = "not-the-secret"
NOBODY = "no-such-host.invalid"
BUSY = azure_answer(503, "ServerBusy", "The server is busy.")
SKEWED = azure_answer(403, "AuthenticationFailed", "Request date header too old: 'Mon, 30 Nov 2020 05:00:00 GMT'.")


@pytest.fixture
def blob(request) -> Bench:
    return BENCHES["azure_blob"](request)


@pytest.fixture
def s3(request) -> Bench:
    return BENCHES["s3"](request)


@pytest.fixture
def share(request) -> Bench:
    return BENCHES["azure_file"](request)


@pytest.fixture
def sftp(request) -> Bench:
    return BENCHES["sftp"](request)


def with_sas(blob: Bench, azurite: azurites.Azurite, *permission: str, hours: float = 1) -> Bench:
    """Return a container that is opened with a SAS token."""
    sas = azurite.make_sas(blob.spec["container_name"], *permission, hours=hours)
    return Bench(blob.type, blob.spec, blob.settings, {"/credentials/sas_token": sas})


@contextmanager
def full_port() -> Iterator[int]:
    """Yield a port at which connections are neither accepted nor refused."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def write(datastore: Datastore) -> None:
    """Write a small file."""
    datastore.write("new", io.BytesIO(b"x"))


def read_all(stream: BinaryIO) -> None:
    """Read a stream to its end."""
    while stream.read(1 << 20):
        pass


@pytest.mark.services
def test_twelve_causes_are_one_line_each(blob, azurite, tmp_path, golden):
    """Everything but the names of a run is in a file for people to read again."""
    container = blob.spec["container_name"]
    blob.open().write("folder/file", io.BytesIO(b"x" * 100_000))
    tls = TlsRecorder(tmp_path, lambda _: (200, {}, b""))
    quota = azure_answer(507, "StorageQuotaExceeded", "The storage account has no space left.")
    with (
        in_front_of(azurite.port, BUSY, 99) as busy,
        in_front_of(azurite.port, SKEWED, 99) as skewed,
        in_front_of(azurite.port, quota, 99) as full,
        in_front_of(azurite.port, cut_after=2000) as cutting,
    ):
        found = {
            "wrong key": failure(blob.with_secrets(account_key=azurites.make_key())),
            "expired SAS": failure(with_sas(blob, azurite, hours=-1)),
            "missing container": failure(blob.with_spec(container_name="missing"), lambda d: d.stat("folder/file")),
            "missing path": failure(blob, lambda d: d.open("folder/none")),
            "no permission": failure(with_sas(blob, azurite, "rl"), write),
            "throttled and retried": failure(blob.with_settings(endpoint=azurite.url(port=busy.port))),
            "name not resolved": failure(blob.with_settings(endpoint=f"http://{NOBODY}/mlgittests")),
            "TLS": failure(blob.with_settings(endpoint=tls.url)),
            "connection cut": failure(
                blob.with_settings(endpoint=azurite.url(port=cutting.port)), lambda d: d.open("folder/file").read()
            ),
            "clock skew": failure(blob.with_settings(endpoint=azurite.url(port=skewed.port))),
            "quota": failure(blob.with_settings(endpoint=azurite.url(port=full.port)), write),
            "not a file": failure(blob, lambda d: d.open("folder")),
        }
        assert busy.answered == 4, "once, and three tries more"
    tls.stop()
    text = "".join(f"{cause} [{code}]\n  {line}\n" for cause, (code, line) in found.items())
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text).replace(container, "CONTAINER")
    golden("storage/datastore-causes.txt", re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text))


@pytest.mark.services
@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_is_busy_for_a_moment_is_asked_again(blob, azurite, s3, s3_server, status):
    busy = azure_answer(status, "ServerBusy", "The server is busy.")
    with in_front_of(azurite.port, busy, 2) as proxy:
        blob.with_settings(endpoint=azurite.url(port=proxy.port)).open().write("a", io.BytesIO(b"x"))
        assert proxy.answered == 2
    assert blob.open().open("a").read() == b"x"
    slow = s3_answer(status, "SlowDown" if status == 503 else "TooManyRequests", "Please reduce your request rate.")
    with in_front_of(s3_server.port, slow, 2) as proxy:
        s3.with_settings(endpoint=f"http://127.0.0.1:{proxy.port}").open().write("a", io.BytesIO(b"x"))
        assert proxy.answered == 2
    assert s3.open().open("a").read() == b"x"


@pytest.mark.services
@pytest.mark.parametrize("refuses", [True, False])
def test_an_endpoint_that_is_not_there_is_reported_within_five_seconds(blob, refuses):
    """The first port refuses, the second accepts nothing more: its queue is full, as behind a firewall that drops."""
    with full_port() as port:
        endpoint = f"http://127.0.0.1:{free_port() if refuses else port}/mlgittests"
        started = time.monotonic()
        code, line = failure(blob.with_settings(endpoint=endpoint))
        assert time.monotonic() - started < 7.5  # four to connect, and what a busy machine adds; a second try: eight
    assert code == "datastore-unreachable"
    assert endpoint in line


@pytest.mark.services
def test_s3_says_why_in_its_own_words(s3, s3_server, tmp_path):
    reader, reader_secret = s3_server.keys["reader"]
    s3.open().write("a", io.BytesIO(b"x" * 100_000))
    skewed = s3_answer(403, "RequestTimeTooSkewed", "The difference of the times is too large.")
    full = s3_answer(507, "QuotaExceeded", "The quota of the bucket is used up.")
    tls = TlsRecorder(tmp_path, lambda _: (200, {}, b""))
    for name, code, bench, ask in (
        ("secret", "datastore-credential", s3.with_secrets(secret_access_key=WRONG), "check"),
        ("secret of a file", "datastore-credential", s3.with_secrets(secret_access_key=WRONG), lambda d: d.stat("a")),
        ("key", "datastore-credential", s3.with_secrets(access_key_id="AKIAWRONG"), "check"),
        ("bucket", "datastore-missing", s3.with_settings(bucket="missing"), lambda d: d.stat("a")),
        (
            "permission",
            "datastore-denied",
            s3.with_secrets(access_key_id=reader, secret_access_key=reader_secret),
            write,
        ),
        ("host", "datastore-host-unknown", s3.with_settings(endpoint=f"http://{NOBODY}"), "check"),
        ("tls", "datastore-tls", s3.with_settings(endpoint=tls.url), "check"),
        ("nobody", "datastore-unreachable", s3.with_settings(endpoint=f"http://127.0.0.1:{free_port()}"), "check"),
    ):
        assert failure(bench, ask)[0] == code, name
    tls.stop()
    with in_front_of(s3_server.port, skewed, 99) as proxy:
        assert failure(s3.with_settings(endpoint=f"http://127.0.0.1:{proxy.port}"))[0] == "datastore-clock"
    with in_front_of(s3_server.port, full, 99) as proxy:
        assert failure(s3.with_settings(endpoint=f"http://127.0.0.1:{proxy.port}"), write)[0] == "datastore-quota"


@pytest.mark.services
def test_a_share_says_why(share, smb_server):
    for code, bench, ask in (
        ("datastore-credential", share.with_secrets(password=WRONG), "check"),
        ("datastore-missing", share.with_spec(file_share_name="none"), "check"),
        ("datastore-denied", share.with_spec(file_share_name="frozen"), write),
        ("datastore-host-unknown", share.with_settings(endpoint=f"smb://{NOBODY}"), "check"),
        ("datastore-unreachable", share.with_settings(endpoint=f"smb://127.0.0.1:{free_port()}"), "check"),
    ):
        share.open().check()  # a session that is open lets nobody in who has no password
        assert failure(bench, ask)[0] == code


@pytest.mark.services
def test_a_server_of_sftp_says_why(sftp, sftp_server, tmp_path):
    unknown = tmp_path / "known_hosts"
    unknown.write_text("", "utf-8")
    other = str(sftp_server.folder / "other_hosts")
    for name, code, bench in (
        ("stranger", "datastore-credential", sftp.with_secrets(private_key=sftp_server.key("stranger"))),
        ("no key", "datastore-credential", sftp.with_secrets(private_key="this is no key")),
        ("folder", "datastore-missing", sftp.with_settings(path="/no/such/folder")),
        ("unknown host", "datastore-host-key", sftp.with_settings(known_hosts=str(unknown))),
        ("other host", "datastore-host-key", sftp.with_settings(known_hosts=other)),
        ("host", "datastore-host-unknown", sftp.with_settings(host=NOBODY)),
        ("nobody", "datastore-unreachable", sftp.with_settings(port=free_port())),
    ):
        assert failure(bench)[0] == code, name
    assert unknown.read_text("utf-8") == "", "a host is never added"


@pytest.mark.services
def test_a_file_of_known_hosts_that_is_none_is_named_and_nothing_of_it_is_shown(sftp, tmp_path):
    path = tmp_path / "known_hosts"
    bench = sftp.with_settings(known_hosts=str(path))
    code, line = failure(bench)
    assert (code, "shows a host key that is not in known_hosts" in line) == ("datastore-host-key", True)
    path.write_text("# hosts\nsecret\n", "utf-8")
    code, line = failure(bench)
    assert (code, f"{path}:2: this is no entry of a file of known hosts: that has a host" in line) == (
        "datastore-host-key",
        True,
    )
    assert " secret" not in line
    path.unlink()
    path.mkdir()
    assert f"{path}, which has the keys of hosts, cannot be read: Is a directory" in failure(bench)[1]


@pytest.mark.services
def test_a_key_with_a_passphrase_opens_sftp(sftp, sftp_server):
    secrets = {"/private_key": sftp_server.key("locked"), "/passphrase": "of-the-tests"}
    Bench("sftp", {}, sftp.settings, secrets).open().check()
    assert failure(Bench("sftp", {}, sftp.settings, {**secrets, "/passphrase": "wrong"}))[0] == "datastore-credential"


@pytest.mark.services
def test_a_sas_token_opens_what_it_allows(blob, azurite):
    blob.open().write("a/b", io.BytesIO(b"x"))
    datastore = with_sas(blob, azurite, "rl").open()
    datastore.check()
    assert datastore.open("a/b").read() == b"x"
    assert [entry.path for entry in datastore.list("a")] == ["a/b"]


@pytest.mark.services
@pytest.mark.filterwarnings("ignore:unclosed SMB handle")  # no handle can be closed when its connection is gone
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("type_", params("azure_blob", "s3", "azure_file", "sftp"))
def test_an_upload_that_is_cut_leaves_no_file_and_the_next_use_connects_again(type_, request):
    bench = BENCHES[type_](request)
    with in_front_of(port_of(bench), cut_after=3000 if type_ in {"azure_file", "sftp"} else 0) as proxy:
        datastore = behind(bench, proxy.port).open()
        with pytest.raises(UserError) as caught:
            datastore.write("new", io.BytesIO(b"x" * (24 << 20)))
        assert caught.value.diagnostics[0].code == "datastore-unreachable"
        del caught
        gc.collect()
        assert list(bench.open().list("")) == []
        proxy.cut_after = None
        datastore.write("new", io.BytesIO(b"y"))
    assert bench.open().open("new").read() == b"y"


@pytest.mark.services
@pytest.mark.parametrize("type_", params("azure_blob", "s3"))
def test_a_file_that_changes_while_it_is_read_is_an_error_and_not_a_mixture(type_, request):
    datastore = BENCHES[type_](request).open()
    datastore.write("a", io.BytesIO(b"x" * (40 << 20)))
    stream = datastore.open("a")
    assert stream.read(10) == b"x" * 10
    datastore.write("a", io.BytesIO(b"y" * (40 << 20)))
    with pytest.raises(UserError) as caught:
        read_all(stream)
    assert caught.value.diagnostics[0].code == "datastore-file-changed"


def test_a_file_of_this_machine_that_changes_while_it_is_read_is_an_error(request):
    datastore = BENCHES["local"](request).open()
    datastore.write("a", io.BytesIO(b"x" * (4 << 20)))
    stream = datastore.open("a")
    stream.read(10)
    datastore.write("a", io.BytesIO(b"y" * (4 << 20)))
    with pytest.raises(UserError) as caught:
        read_all(stream)
    assert caught.value.diagnostics[0].code == "datastore-file-changed"


def test_a_link_out_of_a_folder_is_not_followed(request, tmp_path):
    bench = BENCHES["local"](request)
    (tmp_path / "outside").write_text("x", "utf-8")
    (tmp_path / "datastore" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "datastore" / "dangling").symlink_to(tmp_path / "none")
    for ask in (lambda d: d.open("link"), lambda d: d.stat("link"), lambda d: d.write("link", io.BytesIO(b"y"))):
        with pytest.raises(UserError) as caught:
            ask(bench.open())
        assert caught.value.diagnostics[0].code == "link-outside"


def test_a_secret_in_a_url_is_in_no_message():
    secrets = {"/delegation_token": "a/b+c=d"}
    bench = Bench("azure_data_lake_gen1", {}, {"endpoint": f"http://127.0.0.1:{free_port()}"}, secrets)
    code, line = failure(bench)
    assert code == "datastore-unreachable"
    assert "delegation=***" in line
    assert not re.search(r"a(/|%2F)b(\+|%2B)c", line)


def test_a_data_lake_gen1_without_another_endpoint_says_that_the_service_has_ended():
    code, line = failure(Bench("azure_data_lake_gen1", {"store_name": "s"}, {}))
    assert code == "datastore-settings"
    assert "has ended" in line


def test_an_identity_is_not_sent_without_encryption_and_the_line_says_what_to_bind():
    spec = {"account_name": "acc", "container_name": "box"}
    code, line = failure(Bench("azure_blob", spec, {"endpoint": f"http://127.0.0.1:{free_port()}/acc"}))
    assert code == "datastore-credential"
    assert "has an endpoint without https, to which your own identity is not sent" in line
    assert "bind an account key or a SAS token under secrets: in mlgit.yml" in line


@pytest.mark.parametrize(
    ("credential", "hint"),
    [
        ("your own identity", "bind a secret to datastore/raw under secrets: in mlgit.yml"),
        ("the password of the secret x", "correct the value of the secret"),
    ],
)
def test_what_is_opened_without_a_secret_is_not_told_to_correct_one(credential, hint):
    place = Place("raw", "s3://raw", credential)
    assert hint in make_error(WRONG_CREDENTIAL, place, "").diagnostics[0].hint


def test_a_folder_that_is_not_there_is_named(request):
    bench = BENCHES["local"](request).with_settings(path="/no/such/folder")
    assert failure(bench)[0] == "datastore-missing"


def port_of(bench: Bench) -> int:
    """Return the port of the service behind a datastore."""
    return int(bench.settings.get("port") or re.search(r"127\.0\.0\.1:(\d+)", bench.settings["endpoint"])[1])


def behind(bench: Bench, port: int) -> Bench:
    """Return the same datastore behind a proxy."""
    if "endpoint" in bench.settings:
        endpoint = bench.settings["endpoint"].replace(f":{port_of(bench)}", f":{port}")
        return bench.with_settings(endpoint=endpoint)
    known = bench.settings["known_hosts"]
    behind_proxy = f"{known}-{port}"
    with open(known, encoding="utf-8") as lines, open(behind_proxy, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(lines.read().replace(f":{port_of(bench)}", f":{port}"))
    return bench.with_settings(port=port, known_hosts=behind_proxy)
