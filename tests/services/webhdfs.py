"""WebHDFS of Hadoop 2.7.3 on 127.0.0.1: a name node and a data node.

``make webhdfs`` brings its jars into build/webhdfs. The server authenticates nobody: who asks is who it says it is. It
does check the permissions of files, for all but the user who runs it.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests
from services.ports import free_port
from services.processes import Service
from services.webhdfs_jars import find_jars
from workspaces import until

_JAVA = shutil.which("java")
_MISSING_JARS = [path.name for path in find_jars() if not path.exists()]
MISSING = ""
if not _JAVA:
    MISSING = "java is not installed, on which Hadoop runs"
elif _MISSING_JARS:
    MISSING = f"{_MISSING_JARS[0]} of Hadoop is not there: run `make webhdfs`, and see .ci/run for packages of Debian"
_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.lang=ALL-UNNAMED")
LIST_LIMIT = 100  # of files in what one node sends another at once, in place of 1000
_SERVER = "org.apache.hadoop.hdfs.server"
_LOG = """
log4j.rootLogger=WARN,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %p %c{1}: %m%n
"""


@dataclass
class WebHdfs:
    """The service; ``port`` is that of the name node, which sends who reads or writes on to ``data_port``.

    ``user`` owns the folders of the tests.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    data_port: int = field(default_factory=free_port)
    user: str = "writer"
    _rpc_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for name in ("conf/webapps/hdfs", "conf/webapps/datanode", "name", "data"):
            (self.folder / name).mkdir(parents=True)
        for name, properties in (("core", self._core()), ("hdfs", self._hdfs())):
            (self.folder / "conf" / f"{name}-site.xml").write_text(_to_xml(properties), "utf-8")
        (self.folder / "conf" / "log4j.properties").write_text(_LOG, "utf-8")
        format_ = [*self._java(f"{_SERVER}.namenode.NameNode"), "-format"]
        subprocess.run(format_, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        nodes = (
            (f"{_SERVER}.datanode.DataNode", self.folder / "data", self.data_port),
            (f"{_SERVER}.namenode.NameNode", self.folder / "name", self.port),
        )
        with ThreadPoolExecutor() as pool:
            self._services = list(pool.map(lambda node: Service(self._java(node[0]), node[1], node[2], {}), nodes))
        until(self._takes_files)

    def stop(self) -> None:
        """Stop."""
        for service in self._services:
            service.stop()

    @property
    def url(self) -> str:
        """The URL of the name node."""
        return f"http://127.0.0.1:{self.port}"

    def make_folder(self) -> str:
        """Make a folder that ``user`` may write to; return its path."""
        path = f"/tests/{uuid.uuid4().hex}"
        self._ask("MKDIRS", path)
        self._ask("SETOWNER", path, owner=self.user)
        return path

    def administer(self, *arguments: str) -> None:
        """Do what only the user who runs the server may, such as to set a quota."""
        command = [*self._java("org.apache.hadoop.hdfs.tools.DFSAdmin"), *arguments]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    def _takes_files(self) -> bool:
        """Return True if the data node has reported to the name node, which then sends writers to it."""
        with suppress(requests.ConnectionError):
            return self._ask("CREATE", "/ready").status_code == 307
        return False

    def _ask(self, operation: str, path: str, **options: str) -> requests.Response:
        parameters = {"op": operation, "user.name": getpass.getuser(), **options}
        url = f"{self.url}/webhdfs/v1{path}"
        return requests.put(url, params=parameters, allow_redirects=False, timeout=60)

    def _java(self, name: str) -> list[str]:
        assert _JAVA
        classes = ":".join(map(str, (self.folder / "conf", *find_jars())))
        return [_JAVA, *_OPTIONS, "-cp", classes, name]

    def _core(self) -> Mapping[str, object]:
        return {
            "fs.defaultFS": f"hdfs://127.0.0.1:{self._rpc_port}",
            "hadoop.tmp.dir": self.folder / "tmp",
        }

    def _hdfs(self) -> Mapping[str, object]:
        return {
            "dfs.namenode.name.dir": self.folder / "name" / "files",
            "dfs.namenode.http-address": f"127.0.0.1:{self.port}",
            "dfs.namenode.rpc-bind-host": "127.0.0.1",
            "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            "dfs.namenode.safemode.extension": 0,
            "dfs.datanode.data.dir": self.folder / "data" / "files",
            "dfs.datanode.hostname": "127.0.0.1",
            "dfs.datanode.address": f"127.0.0.1:{free_port()}",
            "dfs.datanode.ipc.address": f"127.0.0.1:{free_port()}",
            "dfs.datanode.http.address": f"127.0.0.1:{self.data_port}",
            "dfs.replication": 1,
            "dfs.permissions.enabled": "true",
            "dfs.namenode.fs-limits.min-block-size": 1 << 20,
            "dfs.ls.limit": LIST_LIMIT,
        }


def _to_xml(properties: Mapping[str, object]) -> str:
    """Return a configuration as Hadoop reads it."""
    items = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items())
    return f"<configuration>{''.join(items)}</configuration>"
