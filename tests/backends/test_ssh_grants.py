"""A node gets objects from the service of a store and gives outputs back, and none of them comes by mlgit's machine."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import pytest
from md5_collision import MD5, OTHER, STORED
from remote.cut_proxy import CutProxy
from remote.url_store import SERVICES
from services.fault_proxy import in_front_of, s3_answer
from stored_files import read_files

from reconciler.backends import _node_client, _node_files, _node_grants
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.task_contents import check_task_contents
from reconciler.model import Phase
from reconciler.model.notes import listen_to_notes
from reconciler.model.tasks import TaskContent, TaskOutput

CODE_SIZE = 16  # of the start of the text of a job, so that no other job has the same code
COPY = "cat ${{inputs.table}} code.txt > ${{outputs.model}}/a"
MODEL = {"model": TaskOutput("uri_folder")}
pytestmark = pytest.mark.services


@pytest.fixture(params=["ssh"])
def bench(bench):
    return bench


@pytest.fixture(params=["azure", "s3"])
def service(request, bench, tmp_path):
    """The store of the bench is on a service."""
    fixture, make_bench = SERVICES[request.param]
    running = request.getfixturevalue(fixture)
    url_bench = make_bench(running, tmp_path / "url")
    if request.param == "s3":
        running.check_requests(is_checked=False)
    bench.store, bench.reader = url_bench.open(), url_bench.open
    yield url_bench, running.port
    if request.param == "s3":
        running.check_requests(is_checked=True)


@pytest.fixture
def way(bench, service):
    """The node reaches the service; the proxy knows its requests."""
    _, port = service
    with CutProxy(port) as proxy, bench.node.way_out(port, proxy.port):
        yield proxy


@pytest.fixture
def through_here(monkeypatch):
    """Return the digests of the objects that went through the channel so far."""
    digests = []
    send, receive = _node_files.send_objects, _node_files._receive

    def send_objects(channel, wanted, paths, store):
        digests.extend(digest for digest in wanted if digest not in paths)
        return send(channel, wanted, paths, store)

    def _receive(channel, wanted, folder):
        digests.extend(wanted)
        return receive(channel, wanted, folder)

    monkeypatch.setattr(_node_client, "send_objects", send_objects)
    monkeypatch.setattr(_node_files, "_receive", _receive)
    return digests


@pytest.fixture
def notes():
    with listen_to_notes((written := []).append):
        yield written


def job(bench, text, name="train", command=""):
    """Return a task that copies a table, with its code after it, to an output."""
    inputs = {"table": TaskContent("uri_file", "ro_mount", bench.file("a.csv", text))}
    return bench.task(command or COPY, {"code.txt": text[:CODE_SIZE]}, name, inputs=inputs, outputs=MODEL)


def result_of(text):
    return f"{text}{text[:CODE_SIZE]}".encode()


def run(bench, task):
    handle = bench.submit(task)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    return handle


def model_of(bench, handle):
    return bench.backend.collect(handle, bench.store).outputs["model"]


def files_of(bench, content):
    """Return the files of a content as another machine reads them from the service."""
    return {path: (mode, data) for path, mode, data in read_files(bench.reader(), content)}


def objects(requests):
    """Return the methods of the requests for objects."""
    return [method for method, path in requests if "files/md5" in path]


def test_inputs_and_outputs_go_between_the_node_and_the_service_alone(bench, way, through_here, notes):
    text = os.urandom(1_500_000).hex()
    more = "; mkdir ${{outputs.model}}/b; echo 1 > ${{outputs.model}}/b/run; chmod +x ${{outputs.model}}/b/run"
    handle = run(
        bench, job(bench, text, command=f"cat ${{{{inputs.table}}}} code.txt > ${{{{outputs.model}}}}/a{more}")
    )
    assert objects(way.requests) == ["GET", "GET"]
    way.requests.clear()
    content = model_of(bench, handle)
    assert objects(way.requests) == ["PUT", "PUT"]
    assert (through_here, notes) == ([], [])
    assert files_of(bench, content) == {"a": (0o100644, result_of(text)), "b/run": (0o100755, b"1\n")}
    assert bench.reader().verify(content, deep=True) == ()
    way.requests.clear()
    assert model_of(bench, handle) == content
    assert (objects(way.requests), through_here) == ([], [])


def test_what_is_in_the_cache_of_the_node_is_fetched_by_no_other_run(bench, way, through_here):
    handle = run(bench, job(bench, os.urandom(20).hex()))
    inputs = {"model": TaskContent("uri_folder", "ro_mount", model_of(bench, handle))}
    way.requests.clear()
    run(bench, bench.task("cat ${{inputs.model}}/a", inputs=inputs, name="second"))
    assert (objects(way.requests), through_here) == ([], [])


def test_a_node_without_a_way_to_the_service_gets_and_gives_all_through_this_machine(
    bench, service, through_here, notes
):
    text = os.urandom(20).hex()
    handle = run(bench, job(bench, text))
    content = model_of(bench, handle)
    assert files_of(bench, content) == {"a": (0o100644, result_of(text))}
    assert len(through_here) == 3
    note = f"127.0.0.1 does not reach the store at {bench.store.location} by itself (127.0.0.1: Connection refused): "
    assert notes == [f"{note}files go through this machine"] * 2  # by two openings of the backend


def test_a_backend_asks_a_node_that_reached_nothing_no_more_for_a_while(bench, service, through_here, notes):
    backend = bench.backend
    for name in ("first", "second"):
        task = job(bench, os.urandom(20).hex(), name)
        bench.started[task.token] = handle = backend.submit(task, bench.store)
        bench.wait_until_ended(handle)
    assert (len(notes), len(through_here)) == (1, 4)


def test_a_transfer_that_is_cut_goes_on_where_it_was_cut(bench, service, through_here, notes):
    _, port = service
    text = os.urandom(1_000_000).hex()
    task = job(bench, text)
    # The answers of a service are cut after 700 kB: three connections bring the table.
    with in_front_of(port, cut_after=700_000) as proxy, bench.node.way_out(port, proxy.port):
        handle = run(bench, task)
    assert (through_here, notes) == ([], [])
    with CutProxy(port) as proxy, bench.node.way_out(port, proxy.port):
        assert files_of(bench, model_of(bench, handle)) == {"a": (0o100644, result_of(text))}
    assert through_here == []


def test_an_upload_that_is_cut_is_sent_again_or_goes_through_this_machine(bench, way, through_here, notes):
    text = os.urandom(400_000).hex()
    handle = run(bench, job(bench, text))
    way.cut_after(300_000)
    content = model_of(bench, handle)
    assert files_of(bench, content) == {"a": (0o100644, result_of(text))}
    assert len(through_here) == 1
    (note,) = notes
    assert note.startswith(f"127.0.0.1 cannot store 1 file at {bench.store.location} by itself (127.0.0.1: ")
    assert note.endswith("): it goes through this machine")


def test_a_service_that_is_busy_is_asked_again(bench, service, through_here, notes):
    _, port = service
    busy = s3_answer(503, "SlowDown", "Please reduce your request rate.")
    with in_front_of(port, busy, times=2) as proxy, bench.node.way_out(port, proxy.port):
        run(bench, job(bench, os.urandom(20).hex()))
    assert (proxy.answered, through_here, notes) == (2, [], [])


def test_urls_that_the_service_refuses_are_no_failure(bench, service, through_here, notes):
    _, port = service
    denied = s3_answer(403, "AccessDenied", "Request has expired")
    with in_front_of(port, denied, times=1000) as proxy, bench.node.way_out(port, proxy.port):
        handle = run(bench, job(bench, text := os.urandom(20).hex()))
        content = model_of(bench, handle)
    assert files_of(bench, content) == {"a": (0o100644, result_of(text))}
    assert len(through_here) == 3
    start = f"127.0.0.1 cannot fetch 2 files at {bench.store.location} by itself"
    assert notes[0] == f"{start} (127.0.0.1 answers 403 Forbidden): they go through this machine"
    assert len(notes) == 2


def test_other_bytes_on_the_service_are_no_input(bench, service, way):
    url_bench, _ = service
    task = job(bench, "the right bytes")
    url_bench.damage(task.inputs["table"].content.digest, b"the WRONG bytes")
    with pytest.raises(UserError) as caught:
        bench.submit(task)
    assert caught.value.diagnostics[0].code == "content-corrupt"


def test_a_content_of_right_objects_with_another_sha256_is_no_input(bench, way):
    table = bench.file("a.csv", os.urandom(20).hex())
    inputs = {"table": TaskContent("uri_file", "ro_mount", table._replace(sha256="0" * 64))}
    with pytest.raises(UserError) as caught:
        bench.submit(bench.task("true", inputs=inputs))
    assert caught.value.diagnostics[0].code == "content-corrupt"


def test_a_node_reads_inputs_once_and_this_machine_not_at_all(bench, service, way, through_here):
    task, store = job(bench, os.urandom(100_000).hex()), bench.reader()
    check_task_contents(store, task, bench.backend)
    bench.started[task.token] = handle = bench.backend.submit(task, store)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert (objects(way.requests), through_here) == (["GET", "GET"], [])
    assert not [digest for digest in digests_of(bench, task) if store.local(digest)]


def digests_of(bench, task):
    """Return the digests of the files of the code and the inputs of a task."""
    contents = (task.code, *(item.content for item in task.inputs.values()))
    return [file.digest for content in contents for file in bench.store.manifest(content)]


def test_other_bytes_of_the_same_md5_start_no_run_and_are_not_kept_by_the_node(bench, service, way, through_here):
    url_bench, _ = service
    cached(bench, MD5).unlink(missing_ok=True)  # of another test
    inputs = {"table": TaskContent("uri_file", "ro_mount", bench.store.put_file("a.bin", BytesIO(STORED)))}
    task = bench.task("cat ${{inputs.table}} > ${{outputs.model}}/a", inputs=inputs, outputs=MODEL)
    url_bench.damage_remote(MD5, OTHER)
    for requests in (1, 2):  # it is fetched again: nothing of it is left
        with pytest.raises(UserError) as caught:
            bench.submit(task)
        (problem,) = caught.value.diagnostics
        found = f"what {bench.store.location} has of it has another sha256"
        assert problem.message == f"job/train: input table is not as it was stored: {found}"
        assert problem.hint.endswith("check who may write to the store")
        assert objects(way.requests) == ["GET"] * requests
        assert bench.backend.find(task.token) is None
        assert not cached(bench, MD5).exists()
    url_bench.damage_remote(MD5, STORED)
    assert files_of(bench, model_of(bench, run(bench, task))) == {"a": (0o100644, STORED)}
    assert through_here == []


def cached(bench, digest):
    """Return where the cache of the node has an object."""
    return bench.folder / "store/files/md5" / digest[:2] / digest[2:]


def test_what_a_node_has_fetched_and_not_checked_is_checked_before_a_run(bench, service, way):
    """The connection was cut before it: the object is in the cache, and has the md5 that it is asked for by."""
    run(bench, job(bench, os.urandom(20).hex()))  # the node has a cache
    inputs = {"table": TaskContent("uri_file", "ro_mount", bench.store.put_file("a.bin", BytesIO(STORED)))}
    task = bench.task("cat ${{inputs.table}} > ${{outputs.model}}/a", name="second", inputs=inputs, outputs=MODEL)
    cached(bench, MD5).parent.mkdir(exist_ok=True)
    cached(bench, MD5).unlink(missing_ok=True)  # of another test
    cached(bench, MD5).write_bytes(OTHER)
    with pytest.raises(UserError) as caught:
        bench.submit(task)
    assert caught.value.diagnostics[0].code == "content-corrupt"
    assert files_of(bench, model_of(bench, run(bench, task))) == {"a": (0o100644, STORED)}


def test_objects_that_were_right_stay_where_another_content_with_them_is_wrong(bench, service, way, through_here):
    text = os.urandom(20).hex()
    run(bench, job(bench, text))
    way.requests.clear()
    table = bench.file("a.csv", text)
    inputs = {"table": TaskContent("uri_file", "ro_mount", table._replace(sha256="0" * 64))}
    with pytest.raises(UserError) as caught:
        bench.submit(bench.task("true", name="wrong", inputs=inputs))
    assert caught.value.diagnostics[0].code == "content-corrupt"
    run(bench, job(bench, text, "again"))
    assert (objects(way.requests), through_here) == ([], [])


def test_an_object_that_lies_on_the_service_with_other_bytes_is_replaced(bench, service, way, through_here):
    """Whoever can write to the service has stored other bytes as an output that is not there yet."""
    url_bench, _ = service
    handle = run(bench, job(bench, text := os.urandom(20).hex()))
    digest = hashlib.md5(result_of(text), usedforsecurity=False).hexdigest()
    url_bench.damage_remote(digest, b"OTHER")
    content = model_of(bench, handle)
    assert files_of(bench, content) == {"a": (0o100644, result_of(text))}
    assert through_here == [digest]


def test_a_url_is_nowhere_but_on_the_connection(bench, service, way, caplog, tmp_path):
    """Names of what is in every URL are looked for in processes, files, logs, notes and results.

    Of the processes of this machine, those count that name the service too: others may have such words.
    """
    marks = [b"sig=", b"X-Amz-Signature", b"Signature="]
    address, seen, ends = f":{service[1]}".encode(), [], threading.Event()

    def watch():
        while not ends.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for path in (process / "cmdline", process / "environ"):
                    with suppress(OSError):
                        text = path.read_bytes()
                        if address in text and any(mark in text for mark in marks):
                            seen.append((path, text))

    caplog.set_level(logging.INFO)
    watcher = threading.Thread(target=watch)
    watcher.start()
    with listen_to_notes((notes := []).append):
        handle = run(bench, job(bench, os.urandom(400_000).hex()))
        way.cut_after(300_000)
        content = model_of(bench, handle)
        way.cut_after(None)
    ends.set()
    watcher.join()
    assert any(b"sig=" in path.encode() or b"X-Amz-Signature" in path.encode() for _, path in way.requests)
    assert notes
    texts = [*notes, caplog.text, bench.log(handle), repr(content), repr(bench.condition(handle))]
    assert not [text for text in texts for mark in marks if mark.decode() in text]
    written = [*bench.folder.rglob("*"), *bench.node.folder.rglob("*"), *tmp_path.rglob("*")]
    files = [path for path in written if path.is_file() and "programs" not in path.parts]
    assert len(files) > 10
    assert [path for path in files for mark in marks if mark in path.read_bytes()] == []
    assert seen == []


def test_a_store_that_can_sign_nothing_at_present_is_no_failure(bench, way, through_here, notes, monkeypatch):
    refused = user_error("store-not-usable", "the object store refuses to give a key")
    monkeypatch.setattr(type(bench.store), "grant", Mock(side_effect=refused))
    run(bench, job(bench, os.urandom(20).hex()))
    assert len(through_here) == 2
    problem = "no URLs for 127.0.0.1 can be made (the object store refuses to give a key)"
    assert notes == [f"{problem}: files go through this machine"]


def test_many_objects_are_granted_and_fetched_some_at_a_time(bench, way, through_here, monkeypatch):
    monkeypatch.setattr(_node_grants, "_OBJECTS", 3)
    granted = Mock(wraps=bench.store.grant)
    monkeypatch.setattr(bench.store, "grant", granted)
    code = {f"{number}": f"{number} {os.urandom(20).hex()}" for number in range(7)}
    handle = run(bench, bench.task("mkdir ${{outputs.model}}; cp ? ${{outputs.model}}", code, outputs=MODEL))
    assert [len(call.args[0]) for call in granted.call_args_list] == [3, 3, 1]
    # The code of another job has the files too, so that the store lacks none of what it copied.
    assert files_of(bench, model_of(bench, handle)) == {name: (0o100644, text.encode()) for name, text in code.items()}
    assert through_here == []


def test_what_the_node_did_not_begin_in_time_is_granted_again_unless_nothing_was(bench, way, monkeypatch):
    channel = Mock()
    answers = [{"unreachable": "", "failed": {}, "late": late} for late in (["b" * 32], [], ["c" * 32])]
    channel.ask.side_effect = answers
    transfers = _node_grants.GrantedTransfers("box")
    with listen_to_notes((notes := []).append):
        assert transfers.fetch(channel, {"a" * 32: 1, "b" * 32: 1}, bench.store) == []
        assert transfers.fetch(channel, {"c" * 32: 1}, bench.store) == ["c" * 32]
    asked = [[row[0] for row in call.args[0]["objects"]] for call in channel.ask.call_args_list]
    assert asked == [["a" * 32, "b" * 32], ["b" * 32], ["c" * 32]]
    assert [note.partition("(")[2] for note in notes] == ["it takes too long): it goes through this machine"]


def test_what_is_too_large_for_one_request_goes_through_this_machine(bench, way, through_here, notes, monkeypatch):
    monkeypatch.setattr(_node_grants, "MAX_UPLOAD_SIZE", 30)
    handle = run(bench, job(bench, text := os.urandom(20).hex(), command="echo 1 > ${{outputs.model}}/b; " + COPY))
    assert files_of(bench, model_of(bench, handle))["a"] == (0o100644, result_of(text))
    assert len(through_here) == 1
    assert "(it is larger than a service takes in one request): it goes through this machine" in notes[0]


def test_outputs_arrive_when_a_store_is_back_that_was_away_while_the_run_went_on(bench, service):
    url_bench, port = service
    text = os.urandom(20).hex()
    with CutProxy(port) as proxy, bench.node.way_out(proxy.port, proxy.port):
        url_bench.settings["endpoint"] = url_bench.settings["endpoint"].replace(f":{port}", f":{proxy.port}")
        bench.store = url_bench.open()
        handle = bench.submit(job(bench, text, command=f"sleep 1; {COPY}"))
        proxy.cut_after(0)
        assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
        with pytest.raises(UserError) as caught:
            model_of(bench, handle)
        assert caught.value.diagnostics[0].code == "store-unreachable"
        proxy.cut_after(None)
        assert files_of(bench, model_of(bench, handle)) == {"a": (0o100644, result_of(text))}
