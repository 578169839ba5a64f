"""The program of a node as one archive, sent once for each version of mlgit, and the command that starts it.

It is the part of this package that needs the standard library only. The node unpacks it into a folder that is named by
its digest, and checks that digest before.
"""

from __future__ import annotations

import hashlib
import shlex
from functools import cache
from importlib.resources import files

from reconciler.backends._node_messages import NEEDED, READY, TOO_OLD
from reconciler.runner.zipapp import iter_sources, make_archive, read_sources

_MODULES = (
    *("__init__.py", "abbreviation.py", "diagnostics.py", "private_files.py", "registry.py", "regular_files.py"),
    *(f"backends/{name}.py" for name in ("__init__", "_folders", "_run_folders", "_runner", "_scheduled")),
    *(f"backends/_local{name}.py" for name in ("", "_capacity", "_processes", "_queue")),
    *(f"backends/_node{name}.py" for name in ("", "_environment", "_messages", "_store", "_web")),
    *(f"backends/_ray{name}.py" for name in ("_api", "_condition", "_node")),
    *(f"backends/_ray_cluster_{name}.py" for name in ("agent", "files", "network", "node")),
    *(f"backends/_slurm{name}.py" for name in ("_accounting", "_commands", "_end", "_node", "_script", "_states")),
    *(
        f"storage/{name}.py"
        for name in (
            "__init__",
            "assembly",
            "connection_guard",
            "digests",
            "disk_files",
            "entries",
            "folder_store",
            "manifest",
        )
    ),
    *(f"storage/{name}.py" for name in ("objects", "removal", "stamps", "store_errors", "temporary_files")),
)
_PACKAGES = ("model", "runner")
_FOLDERS = (
    *("clusters", "environments", "programs", "queues", "removed", "runners", "runs", "store", "submissions", "tokens"),
)
# Started by a shell on the node with the folder, the digest of the archive and its size. A line before the first
# message says how it goes on: what a shell prints when it starts comes before it.
_START = f"""
import hashlib, io, os, shutil, sys, zipfile
out, wanted = sys.stdout.buffer, sys.argv[2]
def say(line):
    out.write(b"\\n" + line.encode() + b"\\n"); out.flush()
if sys.version_info < (3, 11):
    say({TOO_OLD!r} + ".".join(map(str, sys.version_info[:3]))); sys.exit(1)
os.umask(0o077)
folder = os.path.abspath(os.path.expanduser(sys.argv[1]))
try:
    os.makedirs(folder, exist_ok=True)
    status = os.stat(folder)
except OSError as error: sys.exit(f"{{error.filename or folder}}: {{error.strerror}}")
if status.st_uid != os.geteuid():
    sys.exit(folder + " belongs to another user: what is in it would be executed")
if status.st_mode & 0o022:  # a folder of others, as /tmp, is not closed to them
    if set(os.listdir(folder)) - {{*{_FOLDERS!r}}}:
        sys.exit(folder + " can be written by other users: name a new folder for mlgit with folder:")
    os.chmod(folder, 0o700)
program = os.path.join(folder, "programs", wanted)
if not os.path.isdir(program):
    say({NEEDED!r})
    data = sys.stdin.buffer.read(int(sys.argv[3]))
    if hashlib.sha256(data).hexdigest() != wanted: sys.exit("the program of the node was not received as it was sent")
    part = program + "." + os.urandom(6).hex()
    try:
        os.makedirs(part)
        zipfile.ZipFile(io.BytesIO(data)).extractall(part)
        os.rename(part, program)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if not os.path.isdir(program): sys.exit(f"{{folder}}: {{error.strerror or error}}")
sys.path.insert(0, program)
try: from reconciler.backends._node import serve
except BaseException:  # as of bytecode that a full disk has cut off: the next connection sends it again
    shutil.rmtree(program, ignore_errors=True)
    raise
say({READY!r})
serve(folder, sys.stdin.buffer, out)
"""


@cache
def build_program() -> bytes:
    """Return the archive: equal sources give equal bytes on every machine."""
    root = files("reconciler")
    sources = read_sources(root, _MODULES)
    for package in _PACKAGES:
        sources.update(iter_sources(root.joinpath(package), package))
    return make_archive((f"reconciler/{name}", sources[name]) for name in sorted(sources))


def program_command(python: str, folder: str) -> str:
    """Return the shell command that starts the program with a Python of the node, below a folder of it."""
    program = build_program()
    digest = hashlib.sha256(program).hexdigest()
    # A shell replaces a ~ that is not quoted only; of other characters it must see none.
    home, name = ('"$HOME"/', python[2:]) if python.startswith("~/") else ("", python)
    arguments = shlex.join(["-I", "-S", "-c", _START, folder, digest, str(len(program))])
    return f"exec {home}{shlex.quote(name)} {arguments}"
