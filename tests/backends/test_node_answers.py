"""A machine that answers what it likes, as one that was taken over: nothing of it is sent, recorded or written."""

from __future__ import annotations

import os
import textwrap

import pytest
from services.ssh_node import PYTHON, open_ssh

from reconciler.backends import _node_files
from reconciler.backends._ray_cluster import make_clusters
from reconciler.diagnostics import UserError
from reconciler.model import Handle, Phase
from reconciler.model.plugins import BackendContext
from reconciler.model.tasks import TaskOutput

MODEL = {"model": TaskOutput("uri_folder")}
pytestmark = pytest.mark.services

# What is started in the place of Python: the program of mlgit, of which one answer is another.
HOSTILE = f"""\
#!{PYTHON}
import os, sys
words = sys.argv[sys.argv.index("-c") + 1:]
program = words[0].replace("\\nserve(folder, sys.stdin.buffer, out)", '''
import json, struct
from reconciler.backends import _node
from reconciler.backends._node_messages import Message
from reconciler.backends._ray_cluster_node import ClusterHost
kind = KIND
answer, changed = kind.answer, DO
def hostile(self, request):
    if request["do"] != changed:
        yield from answer(self, request)
        return
    first, *rest = answer(self, request)
    document = first.document
CHANGE
    yield first._replace(document=document)
    yield from rest
kind.answer = hostile
_node.serve(folder, sys.stdin.buffer, out)
''')
os.execv({PYTHON!r}, [{PYTHON!r}, "-I", "-S", "-c", program, *words[1:]])
"""


@pytest.fixture(params=["ssh"])
def bench(bench):
    return bench


def write_program(folder, do, change, kind="_node._Node"):
    """Write what is started in the place of Python, with a change of its answers to one request; return its path."""
    program = folder / "python"
    text = HOSTILE.replace("KIND", kind).replace("DO", repr(do)).replace("CHANGE", textwrap.indent(change, "    "))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def hostile(bench, tmp_path):
    """Return a function that opens the backend on the machine, with a change of its answers to one request."""

    def open_backend(do, change):
        return open_ssh(bench.node, bench.folder, python=write_program(tmp_path, do, change))

    return open_backend


def refusal(caught):
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message.partition("not valid: ")[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("document = None", "an answer that is no object"),
        ("document = [1]", "an answer that is no object"),
        ("document = {}", "no list of what it lacks"),
        ("document['run'] = {'id': 1}", "a run without a name"),
        ("document['run'] = '../../x'", "a run without a name"),
        ("document['missing'] = [[]]", "a request for objects that the run does not need"),
        ("document = {'error': 'text'}", "an error without a message"),
        ("document = {'error': [['a code', 'text', 'hint']]}", "an error without a message"),
        ("out.write(struct.pack('>II', 1 << 31, 0)); out.flush()", "a message of 2147483648 bytes"),
        ("out.write(struct.pack('>II', 2, 1 << 31)); out.flush()", "a message of 2147483650 bytes"),
        ("out.write(struct.pack('>II', 4, 0) + b'text'); out.flush()", "a message that is no JSON"),
        ("out.write(struct.pack('>II', 100_000, 0) + b'[' * 100_000); out.flush()", "a message that is no JSON"),
    ],
)
def test_a_submission_that_is_answered_wrongly_is_an_error_of_the_machine(bench, hostile, change, message):
    backend = hostile("prepare", change)
    with pytest.raises(UserError) as caught:
        backend.submit(bench.task("true"), bench.store)
    assert refusal(caught) == ("backend-broken", message)


def test_no_object_is_sent_that_the_run_does_not_need(bench, hostile, monkeypatch):
    secret = bench.file("secret.csv", "of another project\n")
    sent = []
    monkeypatch.setattr(_node_files, "object_parts", lambda digest, _: sent.append(digest) or iter(()))
    backend = hostile("prepare", f"document['missing'].append({secret.digest!r})")
    with pytest.raises(UserError) as caught:
        backend.submit(bench.task("true", {"a.py": "pass\n"}), bench.store)
    assert refusal(caught) == ("backend-broken", "a request for objects that the run does not need")
    assert sent == []


@pytest.mark.parametrize("wrong", ["[]", "[1]", "[-1]", "[True]", "['0']"])
def test_wrong_contents_are_some_of_those_that_were_submitted(bench, hostile, wrong):
    task = bench.task("true", {"a.py": "pass\n"})
    with pytest.raises(UserError) as caught:
        hostile("submit", f"document = {{'wrong': {wrong}}}").submit(task, bench.store)
    assert refusal(caught) == ("backend-broken", "contents that were not submitted")


def test_the_run_that_is_recorded_is_the_one_that_was_submitted(bench, hostile):
    with pytest.raises(UserError) as caught:
        hostile("submit", "document['run'] = 'another'").submit(bench.task("true"), bench.store)
    assert refusal(caught) == ("backend-broken", "another run than the one that was submitted")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("document['conditions'] = {}", "no condition of a run"),
        ("condition['phase'] = 'flying'", "no condition of a run"),
        ("condition['message'] = ['text']", "no condition of a run"),
        ("condition['message'] = chr(0xd800)", "no condition of a run"),
        ("condition['result'] = {'status': 1}", "a result of a run that is damaged"),
        ("condition['result'] = {'outputs': {'../../x': {}}}", "a result of a run that is damaged"),
        ("condition['result']['params'] = {'a': chr(0xd800)}", "a result of a run that is damaged"),
        ("condition['result']['metrics'] = {'a': float('inf')}", "a result of a run that is damaged"),
    ],
)
def test_a_condition_that_is_none_leaves_a_run_as_it_is_recorded(bench, hostile, change, message):
    handle = bench.submit(bench.task("true"))
    bench.wait_until_ended(handle)
    backend = hostile("poll", f"for condition in document['conditions'].values(): pass\n{change}")
    condition = backend.poll([handle])[handle]
    assert condition.phase is Phase.UNKNOWN
    assert condition.message.endswith(f"sent an answer that is not valid: {message}")


@pytest.mark.parametrize(
    ("do", "change", "code"),
    [
        ("collect", "document = {}", "backend-broken"),
        ("collect", "document['outputs']['../x'] = document['outputs']['model']", "backend-broken"),
        ("collect", "document['outputs']['model']['files'][0][2] = '../../../etc/passwd'", "backend-broken"),
        ("collect", "document['outputs']['model']['files'][0][1] = 'mode'", "backend-broken"),
        ("collect", "document['outputs']['model']['files'][0][0] = '../../x'", "path-outside"),
        ("collect", "document['outputs']['model'].update(name='../../x')", "path-outside"),
        ("read", "document['digest'] = '0' * 32", "backend-broken"),
        ("read", "document = {}", "backend-broken"),
        ("read", "document = {'end': True}", "backend-broken"),
        ("read", "rest.insert(0, first)", "backend-broken"),
        ("read", "document['last'] = False", "backend-broken"),
        ("read", "document['last'] = False; rest = [Message({'last': False})]", "backend-broken"),
        ("read", "first = first._replace(data=b'other')", "content-corrupt"),
    ],
)
def test_outputs_that_are_answered_wrongly_are_not_stored(bench, hostile, do, change, code):
    handle = bench.submit(bench.task(f"echo {os.urandom(8).hex()} > ${{{{outputs.model}}}}/a", outputs=MODEL))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    with pytest.raises(UserError) as caught:
        hostile(do, change).collect(handle, bench.store)
    assert refusal(caught)[0] == code


@pytest.mark.parametrize(
    ("do", "use"),
    [
        ("describe", lambda backend, handle: backend.describe(handle)),
        ("usage", lambda backend, _: backend.usage()),
        ("log", lambda backend, handle: list(backend.log(handle))),
        ("find", lambda backend, _: backend.find("0" * 40)),
        ("run_folders", lambda backend, _: backend.run_folders()),
    ],
)
def test_every_other_answer_is_checked_too(hostile, do, use):
    backend = hostile(do, "document = {'end': 1, 'run': 7, 'usage': [[1]], 'locations': [], 'folders': [[1]]}")
    with pytest.raises(UserError) as caught:
        use(backend, Handle("ssh", "train-00000000"))
    assert refusal(caught)[0] == "backend-broken"


STATE = {"state": "running", "message": "", "has_agent": True, "limits": {}, "silent": [], "waiting": {}}


@pytest.fixture
def cluster(bench, tmp_path):
    """Return a function that opens the clusters of two hosts, with a change of their answers to one request."""

    def open_clusters(do, change):
        program = write_program(tmp_path, do, change, "ClusterHost")
        host = {"machine": "127.0.0.1", "port": bench.node.port}
        hosts = [{**host, "address": "10.0.0.1"}, {**host, "address": "10.0.0.2"}]
        own = {"user": bench.node.user, "known_hosts": "known_hosts", "python": program}
        values = {"/private_key": bench.node.key("client")}
        context = BackendContext("ray", str(bench.node.folder), values.get)
        clusters = make_clusters({"type": "ray", "folder": str(bench.folder), "hosts": hosts, **own}, context)
        return clusters, Handle("ray", "token", {"hosts": hosts, "folder": str(bench.folder), **own, "backend": "ray"})

    return open_clusters


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("document = {'state': 'running'}", "no state of a cluster"),
        ("document = {**STATE, 'message': 1}", "no state of a cluster"),
        ("document = {**STATE, 'state': 'failed', 'message': chr(0xd800)}", "no state of a cluster"),
        ("document = {**STATE, 'limits': {'max_instances': '9'}}", "limits that no cluster has"),
        ("document = {**STATE, 'limits': {'max_instances': float('nan')}}", "limits that no cluster has"),
        ("document = {**STATE, 'limits': {'name': 1}}", "limits that no cluster has"),
        ("document = {**STATE, 'silent': ['node-2']}", "a node that the cluster does not have"),
        ("document = {**STATE, 'waiting': {'../x': 'text'}}", "a node that the cluster does not have"),
    ],
)
def test_a_cluster_whose_state_is_none_stands_as_it_is_recorded(cluster, change, message):
    clusters, handle = cluster("read", change.replace("STATE", repr(STATE)))
    condition = clusters.read([handle])[handle]
    assert condition.phase is Phase.UNKNOWN
    assert condition.message.endswith(f"sent an answer that is not valid: {message}")


def test_the_words_of_a_host_of_a_cluster_are_cut(cluster):
    state = {**STATE, "waiting": {"node-1": "x" * 100_000}}
    clusters, handle = cluster("read", f"document = {state!r}")
    condition = clusters.read([handle])[handle]
    assert condition.phase is Phase.READY
    assert len(condition.message) < 1000


def test_whether_there_is_a_cluster_is_said_by_an_answer_that_says_so(cluster):
    clusters, _ = cluster("find", "document = {}")
    with pytest.raises(UserError) as caught:
        clusters.find("token")
    assert refusal(caught) == ("backend-broken", "no answer about a cluster")
