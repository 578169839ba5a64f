"""A reference provider of resources: a process that shares no folder with mlgit, and the plug-in that talks to it.

``python resource_provider.py FOLDER`` serves on loopback; its port is in FOLDER/port, the things that it has are in
FOLDER/things. FOLDER/unreachable makes it answer nothing, FOLDER/slow is the number of reads until a thing is ready or
gone, FOLDER/failing lets what it makes fail. FOLDER/made has a line for each thing that it ever made.
"""

from __future__ import annotations

import json
import socket
import socketserver
import sys
import threading
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.model import Condition, Handle, Phase
from reconciler.model.plugins import ResourcePlugin

_TIMEOUT_SECONDS = 10


class Server:
    """The things that the provider has, each a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "things").mkdir(exist_ok=True)

    def answer(self, request):
        return getattr(self, f"do_{request.pop('do')}")(**request)

    def slowness(self):
        slow = self.folder / "slow"
        return int(slow.read_text()) if slow.exists() else 0

    def path(self, identity):
        return self.folder / "things" / f"{identity}.json"

    def load(self, identity):
        path = self.path(identity)
        return json.loads(path.read_text()) if path.exists() else None

    def store(self, identity, thing):
        temporary = self.folder / "part"
        temporary.write_text(json.dumps(thing))
        temporary.replace(self.path(identity))

    def do_create(self, name, spec, token):
        if found := self.do_find(token):
            return found
        with (self.folder / "made").open("a") as made:
            made.write(f"{name}\n")
        phase = "failed" if (self.folder / "failing").exists() else "ready"
        self.store(token[:12], {"name": name, "token": token, "spec": spec, "phase": phase, "reads": self.slowness()})
        return token[:12]

    def do_find(self, token):
        thing = self.load(token[:12])
        return token[:12] if thing and thing["token"] == token else None

    def do_update(self, identity, spec):
        if thing := self.load(identity):
            self.store(identity, {**thing, "spec": spec})
        return thing is not None

    def do_delete(self, identity):
        if thing := self.load(identity):
            self.store(identity, {**thing, "phase": "gone", "reads": self.slowness()})
            self.forget_gone(identity)

    def do_read(self, identities):
        return {identity: (self.phase(identity), self.settings(identity)) for identity in identities}

    def settings(self, identity):
        return (self.load(identity) or {}).get("spec", {})

    def phase(self, identity):
        thing = self.load(identity)
        if thing and thing["reads"]:
            self.store(identity, {**thing, "reads": thing["reads"] - 1})
            return "running" if thing["phase"] == "gone" else "pending"
        self.forget_gone(identity)
        return thing["phase"] if thing else "gone"

    def forget_gone(self, identity):
        thing = self.load(identity)
        if thing and thing["phase"] == "gone" and not thing["reads"]:
            self.path(identity).unlink()


def serve(folder: Path) -> None:
    """Answer requests, one JSON document a line, until the process ends."""
    server, mutex = Server(folder), threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            request = json.loads(self.rfile.readline())
            if (folder / "unreachable").exists():
                return
            with mutex:
                self.wfile.write(json.dumps(server.answer(request)).encode() + b"\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        temporary = folder / "port.part"
        temporary.write_text(str(listening.server_address[1]))
        temporary.rename(folder / "port")
        listening.serve_forever()


class UnreachableError(Exception):
    """The provider did not answer."""


class ReferenceResource:
    """The client."""

    def __init__(self, settings) -> None:
        self.port, self.type = settings["port"], settings["type"]

    def ask(self, do, **arguments):
        try:
            with socket.create_connection(("127.0.0.1", self.port), _TIMEOUT_SECONDS) as connection:
                connection.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
                answer = connection.makefile("rb").readline()
        except OSError as error:
            raise UnreachableError from error
        if not answer:
            raise UnreachableError
        return json.loads(answer)

    def ask_or_fail(self, do, **arguments):
        try:
            return self.ask(do, **arguments)
        except UnreachableError:
            raise user_error("reference-unreachable", "the provider does not answer", "try again") from None

    def read(self, handles):
        handles = tuple(handles)
        try:
            answers = self.ask("read", identities=[handle.id for handle in handles])
        except UnreachableError:
            return {handle: Condition(Phase.UNKNOWN, message="it does not answer") for handle in handles}
        return {
            handle: Condition(Phase(phase), settings=settings)
            for handle, (phase, settings) in ((handle, answers[handle.id]) for handle in handles)
        }

    def check(self, asset):
        del asset
        self.ask_or_fail("find", token="")

    def create(self, asset, token):
        identity = self.ask_or_fail("create", name=asset.address.name, spec=dict(asset.spec), token=token)
        return Handle(self.type, identity, {"name": asset.address.name})

    def find(self, token):
        identity = self.ask_or_fail("find", token=token)
        return Handle(self.type, identity) if identity else None

    def update(self, handle, asset):
        if not self.ask_or_fail("update", identity=handle.id, spec=dict(asset.spec)):
            raise user_error("reference-missing", f"{handle.id} does not exist", "create it again")

    def delete(self, handle):
        self.ask_or_fail("delete", identity=handle.id)


RESOURCE = ResourcePlugin(
    open="resource_provider:ReferenceResource",
    settings={"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]},
)

if __name__ == "__main__":
    serve(Path(sys.argv[1]))
