"""mlgit whose providers and state raise unexpected exceptions: ``raising.py ARGUMENT...``.

Every call on an asset or a run whose name has the word ``bad`` raises, with the variable SECRET in its message.
"""

from __future__ import annotations

import os
import sys

from reconciler import cli
from reconciler.backends import _local, _runner
from reconciler.builders import _venv
from reconciler.state import store
from reconciler.storage import folder_store

SECRET = os.environ["SECRET"]


def raise_if(owner, name, is_meant, error):
    """Make a method raise an error from another one if its arguments are meant."""
    original = getattr(owner, name)

    def method(self, *arguments, **options):
        if is_meant(*arguments, **options):
            raise error from RuntimeError(f"caused by {SECRET}")
        return original(self, *arguments, **options)

    setattr(owner, name, method)


def is_bad(writes, _message, **_options):
    """Tell whether records of a bad asset are written; those of jobs are, because the backend raises."""
    addresses = [*(record.address for record in (*writes.current, *writes.versions)), *writes.removed]
    return any(address.name.startswith("bad-") and address.kind != "job" for address in addresses)


raise_if(store.StateStore, "write", is_bad, KeyError(SECRET))
raise_if(_venv.VenvBuilder, "build", lambda plan, *_: "bad-" in plan.address, AssertionError(SECRET))
raise_if(_local.LocalBackend, "submit", lambda task, _: task.run.startswith("bad-submitted"), OSError(5, SECRET))
raise_if(_local.LocalBackend, "cancel", lambda handle: handle.id.startswith("bad-"), RecursionError(SECRET))
raise_if(_runner, "put_path", lambda path, *_: "bad-" in str(path), PermissionError(13, SECRET, SECRET))
raise_if(folder_store.FolderStore, "put_file", lambda name, _: "bad-" in name, ValueError(SECRET))

sys.argv = ["mlgit", *sys.argv[1:]]
cli.run_command_line()
