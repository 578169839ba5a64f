"""Inputs behind URLs: downloaded once into the store, from a real server; what goes wrong leaves nothing behind."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspaces import commit, git

pytestmark = pytest.mark.slow

BODY = b"a,b\n1,2\n"
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: cat ${{{{inputs.data}}}}; basename ${{{{inputs.data}}}}
inputs:
  data:
    type: {type}
    path: {url}
environment: azureml:plain@latest
"""
Respond = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path as the test says, and notes what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self.path)
        server.answers.get(self.path.partition("?")[0], not_there)(self)

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def send(self, body: bytes = BODY, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """A server with answers by path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Respond] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def applied(applied: Path) -> Path:
    """Let the URLs of data name this machine, which has the server."""
    config = (applied / "mlgit.yml").read_text("utf-8")
    commit(applied, "local hosts", {"mlgit.yml": f"{config}local_hosts: [127.0.0.1]\n"})
    return applied


def not_there(handler: Handler) -> None:
    handler.send(b"<html>nothing here</html>", 404, Content_Type="text/html")


def too_short(handler: Handler) -> None:
    handler.send(BODY, Content_Length="1000")
    handler.close_connection = True


def broken_off(handler: Handler) -> None:
    handler.send(b"1000\r\n" + BODY, Transfer_Encoding="chunked")
    handler.close_connection = True


def too_long(handler: Handler) -> None:
    handler.send(Content_Length=str(len(BODY) - 3))


def too_long_and_large(handler: Handler) -> None:
    handler.send(b"x" * (3 << 20), Content_Length=str((3 << 20) - 100))


def too_short_and_large(handler: Handler) -> None:
    handler.send(b"x" * (3 << 20), Content_Length=str(4 << 20))
    handler.close_connection = True


def elsewhere(handler: Handler) -> None:
    server = handler.server
    assert isinstance(server, Server)
    handler.send(b"", 302, Location=f"http://localhost:{server.server_port}/real.csv")


def nowhere(handler: Handler) -> None:
    handler.send(b"", 302, Location="http://[broken/x.csv")


def to_no_port(handler: Handler) -> None:
    handler.send(b"", 302, Location="http://127.0.0.1:99999999/x.csv")


def around(handler: Handler) -> None:
    handler.send(b"", 301, Location="/x.csv")


def to_a_file(handler: Handler) -> None:
    handler.send(b"", 302, Location="file:///etc/hostname")


def page(handler: Handler) -> None:
    handler.send(b"\n<!DOCTYPE html><html>log in</html>", Content_Type="text/html; charset=utf-8")


def undeclared_page(handler: Handler) -> None:
    handler.send(b"<html><body>log in</body></html>", Content_Type="text/csv")


def silent(handler: Handler) -> None:
    handler.send(BODY, Content_Length="1000")
    handler.wfile.flush()
    time.sleep(4)


def overloaded(handler: Handler) -> None:
    handler.send(b"later", 503)


def add_job(folder: Path, name: str, url: str, type_: str = "uri_file") -> None:
    commit(folder, f"add {name}", {f"jobs/{name}.yml": JOB.format(url=json.dumps(url), type=type_)})


def stored(folder: Path) -> set[str]:
    store = folder / ".mlgit/store"
    return {str(path.relative_to(store)) for top in ("files", "tmp") for path in (store / top).rglob("*")}


def pinned(folder: Path) -> list[dict[str, object]]:
    ref = "refs/mlgit/small/default/live"
    names = git(folder, "ls-tree", "-r", "--name-only", ref, "downloads/").split()
    return [json.loads(git(folder, "show", f"{ref}:{name}")) for name in names]


def test_a_file_behind_a_url_is_downloaded_once_and_pinned(applied, mlgit, server):
    server.answers["/n.csv"] = lambda handler: handler.send(ETag='"v1"', Last_Modified="yesterday")
    for name in ("one", "two"):
        add_job(applied, name, f"{server.url}/n.csv")
    plan = mlgit("plan", cwd=applied)
    assert server.asked == []
    assert f"inputs.data (jobs/one.yml:6:11): {server.url}/n.csv is downloaded once" in plan.out
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert server.asked == ["/n.csv"]
    assert mlgit("job", "logs", "jobs/two", cwd=applied).out == f"{BODY.decode()}n.csv\n"

    (download,) = pinned(applied)
    assert (download["etag"], download["size"], download["name"]) == ('"v1"', len(BODY), "n.csv")
    server.answers["/n.csv"] = lambda handler: handler.send(b"other")
    add_job(applied, "three", f"{server.url}/n.csv")
    plan = mlgit("plan", cwd=applied)
    assert f"was downloaded at {download['downloaded_at']}, and is used as it was" in plan.out
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/three", cwd=applied).out == f"{BODY.decode()}n.csv\n"
    assert server.asked == ["/n.csv"]

    add_job(applied, "four", f"{server.url}/n.csv#2")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/four", cwd=applied).out.startswith("other")


def test_a_run_records_what_was_downloaded_for_it(applied, mlgit, server):
    server.answers["/n.csv"] = Handler.send
    add_job(applied, "one", f"{server.url}/n.csv")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    ref = "refs/mlgit/small/default/live"
    runs = [
        json.loads(git(applied, "show", f"{ref}:{name}"))
        for name in git(applied, "ls-tree", "-r", "--name-only", ref, "history/job/").split()
    ]
    (downloads,) = [run["realised"]["downloads"] for run in runs if run["address"] == "job/jobs/one"]
    assert downloads["/inputs/data/path"] == pinned(applied)[0]
    shown = json.loads(mlgit("job", "show", "jobs/one", "--format", "json", cwd=applied).out)
    assert shown["downloads"] == {"data": pinned(applied)[0]}


def test_data_behind_a_url_is_downloaded_for_the_job_that_refers_to_it(applied, mlgit, server):
    server.answers["/n.csv"] = Handler.send
    schema = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
    commit(applied, "web", {"data/web.yml": f"{schema}name: web\ntype: uri_file\npath: {server.url}/n.csv\n"})
    add_job(applied, "one", "azureml:web@latest")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/one", cwd=applied).out == f"{BODY.decode()}n.csv\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (not_there, "the server answers 404 Not Found"),
        (overloaded, "the server answers 503 Service Unavailable"),
        (too_short, f"did not come whole: the server announced 1000 bytes and sent {len(BODY)}"),
        (too_short_and_large, "did not come whole: the server announced 4194304 bytes and sent 3145728"),
        (too_long, f"has more bytes than the {len(BODY) - 3} that are announced"),
        (too_long_and_large, "has more bytes than the 3145628 that are announced"),
        (broken_off, "did not come whole: the connection was closed"),
        (elsewhere, "redirects to another host, http://localhost:"),
        (to_a_file, "redirects to another host, file:///etc/hostname"),
        (nowhere, "cannot be reached: Invalid IPv6 URL"),
        (to_no_port, "redirects to http://127.0.0.1:99999999/x.csv, which is no URL"),
        (around, "redirects more than 5 times"),
        (page, "is an HTML page and not data"),
        (undeclared_page, "is an HTML page and not data"),
        (silent, "did not come whole: the server sent nothing for too long"),
    ],
)
def test_what_is_wrong_with_a_url_is_one_line_with_its_place_and_nothing_is_kept(  # noqa: PLR0913, PLR0917 - fixtures
    applied, mlgit, server, answer, reason, monkeypatch
):
    server.answers["/x.csv"] = answer
    before = stored(applied)
    add_job(applied, "wrong", f"{server.url}/x.csv")
    with monkeypatch.context() as patch:
        if answer is silent:  # the others answer, however long a busy machine takes
            patch.setenv("MLGIT_NETWORK_TIMEOUT", "1.5")
        ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if "[download-failed]" in line]
    assert line.strip().startswith(f"jobs/wrong.yml:6:11: {server.url}/x.csv")
    assert reason in line
    assert "help: " in ended.out
    assert stored(applied) == before
    assert pinned(applied) == []
    assert "jobs/wrong" not in json.dumps(json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out))
    server.answers["/x.csv"] = Handler.send  # put right, the next apply goes on
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0


def test_a_server_that_is_not_there_or_speaks_no_tls_is_named(applied, mlgit, server):
    with Server() as gone:
        closed = gone.url
    for url, reason in ((closed, "Connection refused"), (server.url.replace("http:", "https:"), "SSL")):
        add_job(applied, "wrong", f"{url}/x.csv")
        ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
        (line,) = [line for line in ended.out.splitlines() if "[download-failed]" in line]
        assert f"{url}/x.csv cannot be reached: " in line
        assert reason in line
    assert "run `mlgit apply` again" in ended.out
    ended = mlgit("job", "rerun", "jobs/wrong", "--auto-approve", "--wait", cwd=applied)
    assert "Fix the errors above and run `mlgit job rerun jobs/wrong` again" in ended.out


@pytest.mark.parametrize("first", [overloaded, too_short, broken_off])
def test_a_download_that_breaks_off_is_tried_again(applied, mlgit, server, first):
    answers = iter([first])

    def answer(handler: Handler) -> None:
        next(answers, Handler.send)(handler)

    server.answers["/x.csv"] = answer
    add_job(applied, "retried", f"{server.url}/x.csv")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert server.asked == ["/x.csv", "/x.csv"]


def test_a_redirect_on_the_same_host_is_followed_and_html_is_data_if_its_name_says_so(applied, mlgit, server):
    server.answers["/moved.csv"] = lambda handler: handler.send(b"", 302, Location="/n.csv")
    server.answers["/n.csv"] = Handler.send
    server.answers["/page.html"] = page
    add_job(applied, "moved", f"{server.url}/moved.csv")
    add_job(applied, "page", f"{server.url}/page.html")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("job", "logs", "jobs/moved", cwd=applied).out.startswith(BODY.decode())


def test_what_the_store_has_lost_is_downloaded_again_only_if_it_is_the_same(applied, mlgit, server):
    server.answers["/n.csv"] = Handler.send
    add_job(applied, "one", f"{server.url}/n.csv")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    (download,) = pinned(applied)
    key = str(download["md5"])
    lost = applied / ".mlgit/store/files/md5" / key[:2] / key[2:]
    lost.unlink()
    add_job(applied, "two", f"{server.url}/n.csv")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    lost.unlink()
    server.answers["/n.csv"] = lambda handler: handler.send(b"other")
    add_job(applied, "three", f"{server.url}/n.csv")
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert f"{server.url}/n.csv has changed since it was downloaded at" in ended.out


def test_a_mirror_that_is_another_url_is_asked_in_place_of_the_first(applied, mlgit, server):
    server.answers["/cache/iris.csv"] = Handler.send
    config = (applied / "mlgit.yml").read_text("utf-8")
    mirrors = f"mirrors: {{'wasbs://data@example.org/': {server.url}/cache}}\n"
    commit(applied, "mirror", {"mlgit.yml": config + mirrors})
    add_job(applied, "one", "wasbs://data@example.org/iris.csv")
    plan = mlgit("plan", cwd=applied)
    assert f"wasbs://data@example.org/iris.csv is downloaded from {server.url}/cache/iris.csv" in plan.out
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert server.asked == ["/cache/iris.csv"]


def test_the_password_of_a_url_is_never_shown(applied, mlgit, server):
    add_job(applied, "secret", f"http://ada:hunter2secret@127.0.0.1:{server.server_port}/x.csv")
    config = (applied / "mlgit.yml").read_text("utf-8")
    commit(applied, "lower", {"mlgit.yml": f"{config}\nrules: {{secret-literal: warning}}\n"})
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    assert "jobs/secret.yml:6:" in ended.out + ended.err
    assert "hunter2secret" not in ended.out + ended.err


def add_data(folder: Path, name: str, url: str, type_: str = "uri_file") -> None:
    schema = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
    commit(folder, f"data {name}", {f"data/{name}.yml": f"{schema}name: {name}\ntype: {type_}\npath: {url}\n"})


def test_data_behind_a_url_is_pinned_by_its_etag_without_a_download(applied, mlgit, server):
    server.answers["/n.csv"] = lambda handler: handler.send(ETag='"v1"')
    add_data(applied, "web", f"{server.url}/n.csv")
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0
    shown = json.loads(mlgit("show", "data/web", "--format", "json", cwd=applied).out)
    location = shown["realised"]["locations"]["/path"]
    assert (location["etag"], location["size"], location["datastore"]) == ('"v1"', len(BODY), "")
    assert pinned(applied) == []
    assert mlgit("drift", cwd=applied).out.startswith("No drift.")

    server.answers["/n.csv"] = lambda handler: handler.send(b"other", ETag='"v2"')
    drift = mlgit("drift", cwd=applied).out
    assert 'has changed: it was ETag "v1", 8 bytes, and is now ETag "v2", 5 bytes' in drift
    add_job(applied, "one", "azureml:web:1")
    ended = mlgit("apply", "--auto-approve", "--wait", cwd=applied)
    (line,) = [line for line in ended.out.splitlines() if "[input-changed]" in line]
    assert line.strip().startswith("jobs/one.yml:6:11: data/web@1 (")
    assert 'it was ETag "v1", 8 bytes, and is now ETag "v2", 5 bytes' in line
    server.answers["/n.csv"] = not_there
    assert "is gone; it was ETag" in mlgit("drift", cwd=applied).out


def test_data_behind_a_url_that_no_server_answers_is_registered_and_not_pinned_which_is_said(applied, mlgit):
    with Server() as gone:
        closed = gone.url
    add_data(applied, "web", f"{closed}/n.csv")
    ended = mlgit("apply", "--auto-approve", cwd=applied)
    assert ended.code == 0
    assert f"data/web: not pinned: {closed}/n.csv cannot be reached: " in ended.out
    add_data(applied, "missing", f"{closed}/n.csv")
    config = (applied / "mlgit.yml").read_text("utf-8")
    commit(applied, "verify", {"mlgit.yml": f'{config}verify: {{"data/*": full}}\n'})
    ended = mlgit("apply", "--auto-approve", cwd=applied)
    assert "data/missing.yml:4:7: " in ended.out
    assert "[download-failed]" in ended.out


@pytest.mark.parametrize("type_", ["uri_folder", "mltable"])
def test_a_folder_behind_a_url_is_not_pinned_by_the_page_that_stands_there(applied, mlgit, server, type_):
    server.answers["/d/"] = lambda handler: handler.send(ETag='"v1"')
    add_data(applied, "web", f"{server.url}/d/", type_)
    add_data(applied, "azure", "https://acc.blob.core.windows.net/box/d/", type_)
    notes = mlgit("plan", cwd=applied).out
    end = "a job gets it with mode: direct only, as the URI"
    assert f"{server.url}/d/ is not pinned: a folder behind a URL cannot be listed; {end}" in notes
    reason = "no datastore of this workspace has the container box of the account acc"
    assert f"https://acc.blob.core.windows.net/box/d/ is not pinned: {reason}; {end}" in notes
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0
    for name in ("web", "azure"):
        assert "realised" not in json.loads(mlgit("show", f"data/{name}", "--format", "json", cwd=applied).out)
    assert server.asked == []
    server.answers["/d/"] = lambda handler: handler.send(b"another page", ETag='"v2"')
    assert mlgit("drift", cwd=applied).out.startswith("No drift.")


def test_data_that_a_server_does_not_have_is_not_registered(applied, mlgit, server):
    add_data(applied, "web", f"{server.url}/no.csv")
    ended = mlgit("apply", "--auto-approve", cwd=applied)
    assert ended.code == 1
    assert f"data/web.yml:4:7: {server.url}/no.csv: the server answers 404 Not Found [download-failed]" in ended.out
