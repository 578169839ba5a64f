"""What is specific to the backend `ray`, on a cluster whose nodes see neither the store nor the checkout."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from services.ray_cluster import open_ray
from services.ssh_node import CHECKOUT, SshNode
from workspaces import until

from reconciler.backends._ray_api import RayApi
from reconciler.backends._ray_node import RayNodeBackend
from reconciler.diagnostics import UserError
from reconciler.model import Handle, Phase
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Image, TaskOutput

MODEL = {"model": TaskOutput("uri_folder")}
IGNORES_TERM = "trap '' TERM; echo up; setsid sleep 302 & sleep 303; sleep 304"
pytestmark = pytest.mark.services


@pytest.fixture(params=["ray"])
def bench(bench):
    return bench


def problem_of(caught):
    return caught.value.diagnostics[0]


def occupy_head(bench):
    """Leave no processor of the head to other runs."""
    bench.settings["cpus"] = 2
    handle = bench.submit(bench.task("echo up; sleep 600", name="occupant"))
    bench.wait_until_running(handle)
    bench.settings["cpus"] = 1
    return handle


def test_the_nodes_see_neither_the_store_nor_the_checkout(bench):
    bench.file("a.csv", "1\n")
    for folder in (bench.store.root, CHECKOUT):
        assert any(folder.iterdir())
        assert bench.ray.list_folder(folder) == ""


def test_a_run_stands_as_recorded_while_ray_cannot_be_reached_and_goes_on(bench):
    backend = bench.backend
    ended = bench.submit(bench.task("echo before"))
    bench.wait_until_ended(ended)
    handle = bench.submit(bench.task("echo up; sleep 8; echo down > ${{outputs.model}}/a", outputs=MODEL))
    bench.wait_until_running(handle)
    other = bench.task("echo other", name="other")
    bench.ray.cut()
    try:
        conditions = backend.poll([handle, ended])
        assert (conditions[handle].phase, conditions[ended].phase) == (Phase.UNKNOWN, Phase.SUCCEEDED)
        assert conditions[handle].message == f"Ray at {bench.ray.address} does not answer: Connection refused"
        assert bench.log(handle) == "up\n"
        for ask in (lambda: bench.submit(other), lambda: bench.backend.cancel(handle)):
            with pytest.raises(UserError) as caught:
                ask()
            assert problem_of(caught).code == "backend-unreachable"
            assert "address: of the backend" in problem_of(caught).hint
    finally:
        bench.ray.join()
    assert bench.backend.find(other.token) is None  # Ray was asked
    assert bench.wait_until_ended(bench.submit(other)).phase is Phase.SUCCEEDED
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED  # Ray did not hear of the cancel


def test_a_run_whose_submitter_was_killed_before_it_could_note_the_job_is_found_by_ray(bench):
    occupant = occupy_head(bench)
    bench.settings["cpus"] = 2
    task = bench.task("echo started", name="waiting")
    handle = bench.submit(task)
    (bench.folder / "runs" / handle.id / "job.json").unlink()
    assert not (bench.folder / "tokens" / task.token).exists()
    assert bench.backend.find(task.token) == handle
    (bench.folder / "submissions" / task.token).unlink()
    assert bench.submit(task) == handle  # Ray answers that it has such a job
    bench.backend.cancel(occupant)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "started\n"


def test_a_run_that_waits_is_canceled_at_once_and_never_starts(bench):
    occupant = occupy_head(bench)
    bench.settings["cpus"] = 2
    handle = bench.submit(bench.task("echo started", name="waiting"))
    assert bench.condition(handle).message == "waits for a node with 2 CPUs"
    assert bench.backend.cancel(handle)
    assert bench.condition(handle).reason == CANCELED
    bench.backend.cancel(occupant)
    until(lambda: all(job["status"] not in {"PENDING", "RUNNING"} for job in bench.ray.ask("/api/jobs/")))
    assert (bench.condition(handle).reason, bench.log(handle)) == (CANCELED, "")


def test_a_run_that_is_stopped_with_the_tools_of_ray_is_canceled_and_leaves_no_process(bench):
    task = bench.task(IGNORES_TERM)
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    until(lambda: len(bench.processes(handle)) >= 3)
    assert bench.ray.ask(f"/api/jobs/{task.token}")["metadata"] == {"run": task.run, "address": task.address}
    assert bench.ray.ask(f"/api/jobs/{task.token}/stop", b"{}") == {"stopped": True}
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    until(lambda: not bench.processes(handle))


def test_a_run_whose_node_was_killed_is_lost_and_not_started_again_by_its_token(bench):
    occupy_head(bench)
    task = bench.task("echo up; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    bench.ray.kill_node()
    try:
        condition = bench.wait_until_ended(handle)
        assert condition.phase is Phase.GONE
        assert "its job ended without a result (FAILED)" in condition.message
        assert not bench.processes(handle)
        assert bench.log(handle) == "up\n"
        assert bench.submit(task) == handle
        assert bench.condition(handle).phase is Phase.GONE
    finally:
        bench.ray.start_node()


def test_a_head_that_was_restarted_has_lost_its_runs_and_leaves_no_process(bench):
    ended = bench.submit(bench.task("echo before"))
    bench.wait_until_ended(ended)
    occupant = occupy_head(bench)
    handle = bench.submit(bench.task(IGNORES_TERM))
    bench.settings["cpus"] = 2
    waiting = bench.submit(bench.task("echo started", name="waiting"))
    bench.wait_until_running(handle)
    bench.ray.kill_head()
    conditions = bench.backend.poll([handle, ended])
    assert (conditions[handle].phase, conditions[ended].phase) == (Phase.UNKNOWN, Phase.SUCCEEDED)
    bench.ray.start_head()
    try:
        condition = bench.wait_until_ended(waiting)
        assert condition.phase is Phase.GONE
        assert condition.message == "it has left no result, and Ray does not know its job any more"
        assert bench.wait_until_ended(occupant).phase is Phase.GONE
        condition = bench.wait_until_ended(handle)
        assert (condition.phase, condition.message) == (
            Phase.GONE,
            "it was stopped, because its node or the cluster was",
        )
        until(lambda: not bench.processes(handle))
        assert bench.condition(ended).phase is Phase.SUCCEEDED
    finally:
        bench.ray.kill_node()
        bench.ray.start_node()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cpus": 64, "memory": "3t"}, "64 CPUs and 3072 GiB of memory"),
        ({"gpus_per_run": 1}, "1 CPU and 1 GPU"),
    ],
)
def test_a_run_that_no_node_can_ever_have_is_refused_and_says_what_there_is(bench, settings, words):
    bench.settings = {"cpus": 1, **settings}
    with pytest.raises(UserError) as caught:
        bench.submit(bench.task("true"))
    problem = problem_of(caught)
    assert problem.code == "submission-refused"
    assert problem.message == f"job/train asks for {words}, and no node of the Ray cluster has that"
    assert problem.hint.startswith("of its 2 nodes none has more than 2 CPUs and ")
    assert "of the backend cluster in mlgit.yml" in problem.hint


def test_jobs_are_submitted_by_ssh_from_a_machine_that_sees_the_folder(bench, tmp_path):
    node = SshNode(tmp_path / "sshd", has_network=False)
    node.start()
    try:
        reached = {"machine": "127.0.0.1", "port": node.port, "user": node.user}
        settings = {**reached, "host_key": node.public("host").strip(), "cpus": 0.5}
        backend = open_ray(bench.ray, bench.folder, private_key=node.key("client"), **settings)
        handle = backend.submit(bench.task("echo from the cluster"), bench.store)
        assert b"".join(backend.log(handle, follow=True)) == b"from the cluster\n"
        assert backend.poll([handle])[handle].phase is Phase.SUCCEEDED
        assert backend.describe(handle).locations["log"].startswith(f"127.0.0.1:{bench.folder}/runs/")
    finally:
        node.stop()


def test_an_environment_that_is_an_image_is_refused(bench):
    with pytest.raises(UserError) as caught:
        bench.submit(bench.task("true", environment=Image("python", "sha256:0")))
    assert problem_of(caught).code == "environment-form"


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "wants a token, and none is bound"), ("0" * 64, "does not accept the token")],
)
def test_a_token_that_is_missing_or_wrong_is_said_without_its_value(bench, token, words):
    backend = open_ray(bench.ray, bench.folder, token)
    with pytest.raises(UserError) as caught:
        backend.usage()
    assert words in problem_of(caught).message
    assert "fields: [/token]" in problem_of(caught).hint
    assert "0" * 64 not in str(caught.value)


class _Website(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self):
        type(self).seen.append(self.headers.get("Authorization", ""))
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_arguments):
        pass


@pytest.mark.parametrize("path", ["", "/moved"])
def test_an_address_that_is_no_dashboard_is_said(bench, path):
    _Website.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Website) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        backend = open_ray(bench.ray, bench.folder, address=f"http://127.0.0.1:{server.server_port}{path}")
        handle = Handle("ray", "train-00000000")
        with pytest.raises(UserError) as caught:
            backend.usage()
        server.shutdown()
    assert "is no Ray dashboard" in problem_of(caught).message
    assert len(_Website.seen) == 1  # no redirect was followed
    assert backend.poll([handle])[handle].phase is Phase.GONE  # nobody needs to be asked


def test_an_address_that_cannot_be_found_is_said(bench):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address, words in ((f"http://127.0.0.1:{port}", "refused"), ("http://head.invalid:8265", "not")):
        with pytest.raises(UserError) as caught:
            open_ray(bench.ray, bench.folder, address=address).usage()
        assert problem_of(caught).message.startswith(f"Ray at {address} does not answer: ")
        assert words in problem_of(caught).message


def poll_without_jobs(bench, monkeypatch, tokens):
    """Poll runs whose jobs Ray does not know, which are gone, and return what it was asked."""
    for number, token in enumerate(tokens):
        folder = bench.folder / f"runs/train-{number}"
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps({"token": token}))
    asked, ask = [], RayApi._ask
    monkeypatch.setattr(RayApi, "_ask", lambda self, *arguments: asked.append(arguments) or ask(self, *arguments))
    backend = RayNodeBackend(bench.folder, {"address": bench.ray.address, "token": bench.ray.token})
    conditions = backend.poll([Handle("ray", f"train-{number}") for number in range(len(tokens))])
    assert {condition.phase for condition in conditions.values()} == {Phase.GONE}
    return asked


def test_many_runs_are_polled_by_one_request(bench, monkeypatch):
    asked = poll_without_jobs(bench, monkeypatch, [f"{number:040x}" for number in range(500)])
    assert asked == [("GET", "/api/jobs/")]


def test_few_runs_are_polled_without_a_list_of_all_jobs_that_ray_ever_had(bench, monkeypatch):
    asked = poll_without_jobs(bench, monkeypatch, ["0" * 40, "../\ud800 x"])
    known = ("GET", "/api/version")
    assert asked == [("GET", f"/api/jobs/{'0' * 40}"), known, ("GET", "/api/jobs/..%2F%3F%20x"), known]
