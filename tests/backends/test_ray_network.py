"""The network that a Ray cluster on one machine has for itself: who may make one, and what is in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import until

from reconciler.backends._ray_cluster_files import ClusterFiles
from reconciler.backends._ray_cluster_network import close_network, find_entry, find_problem, is_inside, open_network
from reconciler.diagnostics import UserError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has network namespaces")
_ROOT = Path(__file__).parents[2]
_OPEN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from reconciler.backends._ray_cluster_files import ClusterFiles
from reconciler.backends._ray_cluster_network import open_network
from reconciler.diagnostics import UserError
try:
    open_network(ClusterFiles(Path(sys.argv[2])))
except UserError as error:
    sys.exit(error.diagnostics[0].message)
"""
_ASK = """
import socket
for address in ("192.0.2.1", "192.0.2.200"):
    with socket.create_server((address, 0)) as server, socket.create_connection(server.getsockname()):
        print("listens")
try:
    socket.create_connection(("203.0.113.1", 80), 60)
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture
def files(tmp_path):
    """The files of a cluster that has no network yet."""
    files = ClusterFiles(tmp_path / "cluster")
    (files.folder / "hosts").mkdir(parents=True)
    files.write({"token": "t"})
    yield files
    assert close_network(files)


def open_without(capabilities, files):
    """Open a network as root without some of its rights."""
    command = ["setpriv", f"--bounding-set={capabilities}", sys.executable, "-c", _OPEN, str(_ROOT), str(files.folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def needs_root():
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root gives up rights")


def test_a_network_has_addresses_of_its_own_and_no_way_out(files):
    if problem := find_problem():
        pytest.skip(str(problem))
    open_network(files)
    assert not is_inside(files)
    asked = subprocess.run(
        [*find_entry(files), sys.executable, "-c", _ASK], check=True, stdout=subprocess.PIPE, text=True
    )
    assert asked.stdout.splitlines() == ["listens", "listens", "Network is unreachable"]
    entry = find_entry(files)
    open_network(files)
    assert find_entry(files) == entry


def test_who_may_make_no_network_gets_one_with_a_user_namespace_and_stays_who_they_are(files):
    needs_root()
    opened = open_without("-sys_admin,-net_admin", files)
    if "Operation not permitted" in opened.stderr:
        pytest.skip("this machine makes no user namespaces")
    assert opened.returncode == 0, opened.stderr
    entry = find_entry(files)
    assert "--user" in entry
    ran = subprocess.run([*entry, "id", "-u"], check=True, stdout=subprocess.PIPE, text=True)
    assert ran.stdout == f"{os.geteuid()}\n"


def test_a_machine_that_makes_no_network_says_so(files):
    needs_root()
    opened = open_without("-all", files)
    message = f"{os.uname().nodename} makes no network of its own for a Ray cluster: Operation not permitted\n"
    assert (opened.returncode, opened.stderr) == (1, message)
    assert find_entry(files) == ()


def test_a_machine_without_the_program_that_enters_says_so(files, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="has no program nsenter"):
        open_network(files)


def test_a_network_ends_with_the_files_of_its_cluster(files):
    if problem := find_problem():
        pytest.skip(str(problem))
    open_network(files)
    assert find_entry(files)
    (files.folder / "cluster.json").unlink()
    until(lambda: not find_entry(files), 120)
