"""The program that a node gets: the modules in its archive are all that it imports, but for the standard library."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from workspaces import until

from reconciler.backends._node_channel import ProcessConnection
from reconciler.backends._node_messages import NEEDED, READY, encode_message
from reconciler.backends._node_program import build_program, program_command
from reconciler.diagnostics import UserError

_OPEN = """
import sys
from reconciler.backends._node_channel import ProcessConnection
from reconciler.diagnostics import UserError
try:
    with ProcessConnection(sys.executable, sys.argv[1] + "/folder", {}).channel(): pass
except UserError as error:
    print(error.diagnostics[0].message)
"""


def test_the_program_of_a_node_has_every_module_that_it_imports(tmp_path):
    zipfile.ZipFile(io.BytesIO(build_program())).extractall(tmp_path)
    modules = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.py")]
    names = sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules)
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", imports], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, "reconciler.backends._node" in names) == (0, "", True)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("file", "{top}/file: File exists"),
        ("file/a", "{top}/file/a: Not a directory"),
        ("a" * 300, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path, folder, reason):
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught, ProcessConnection(sys.executable, str(tmp_path / folder), {}).channel():
        pytest.fail("the program has started")
    message = caught.value.diagnostics[0].message
    assert message.endswith(reason.format(top=tmp_path))
    assert "Errno" not in message


def test_the_program_ends_with_its_connection_although_it_is_at_work(tmp_path):
    key = "0" * 32
    large = tmp_path / "folder/store/files/md5/00" / key[2:]
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(1 << 40)  # without any blocks: to read it takes longer than any test
    words = ["/bin/sh", "-c", program_command(sys.executable, str(tmp_path / "folder"))]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        while (line := program.stdout.readline()) != f"{READY}\n".encode():
            if line == f"{NEEDED}\n".encode():
                program.stdin.write(build_program())
                program.stdin.flush()
        program.stdin.write(encode_message({"backend": "local", "settings": {"type": "local"}}))
        program.stdin.write(encode_message({"do": "prepare", "token": "a", "environment": "b", "digests": [key]}))
        program.stdin.flush()
        until(lambda: any(map(str(large).__eq__, _open_files(program.pid))), 120)
        program.stdin.close()
        assert program.wait(120) == 1
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def _open_files(process):
    """Yield what the files are called that a process has open."""
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            yield str(path.readlink())


def test_a_disk_without_space_for_the_program_is_said_in_words(tmp_path):
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    script = f"mount -t tmpfs -o size=100k none {tmp_path} && exec {sys.executable} -c {shlex.quote(_OPEN)} {tmp_path}"
    done = subprocess.run([*mount, script], capture_output=True, text=True, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine makes no small disk: {done.stderr}")
    assert done.stdout.strip().endswith(f"{tmp_path}/folder: No space left on device"), done.stderr
