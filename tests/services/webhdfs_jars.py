"""The jars of Hadoop that serve WebHDFS: ``make webhdfs`` brings them into build/webhdfs.

No registry that tests may ask has Hadoop by itself; the source package of an old PySpark has it inside, in 220 MB. What
that lacks of the web services are packages of Debian.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "pyspark==2.4.8"  # the last one that has all of Hadoop 2.7.3; later ones have its client only
JARS = (
    *("avro-1.8.2", "commons-beanutils-1.9.4", "commons-cli-1.2", "commons-codec-1.10", "commons-collections-3.2.2"),
    *("commons-configuration-1.6", "commons-digester-1.8", "commons-httpclient-3.1", "commons-io-2.4"),
    *("commons-lang-2.6", "commons-logging-1.1.3", "commons-math3-3.4.1", "commons-net-3.1", "curator-client-2.7.1"),
    *("curator-framework-2.7.1", "guava-14.0.1", "hadoop-annotations-2.7.3", "hadoop-auth-2.7.3"),
    *("hadoop-common-2.7.3", "hadoop-hdfs-2.7.3", "htrace-core-3.1.0-incubating", "httpclient-4.5.6"),
    *("httpcore-4.4.10", "jackson-core-asl-1.9.13", "jackson-mapper-asl-1.9.13", "javax.servlet-api-3.1.0"),
    *("jaxb-api-2.2.2", "jetty-6.1.26", "jetty-util-6.1.26", "jsp-api-2.1", "jsr305-1.3.9", "leveldbjni-all-1.8"),
    *("log4j-1.2.17", "netty-3.9.9.Final", "netty-all-4.1.47.Final", "protobuf-java-2.5.0", "slf4j-api-1.7.16"),
    *("slf4j-log4j12-1.7.16", "xercesImpl-2.9.1", "xmlenc-0.52", "zookeeper-3.4.6"),
)
FOLDER = Path(__file__).parents[2] / "build" / "webhdfs"
_DEBIAN = ("jersey1-core", "jersey1-server", "jersey1-servlet", "jsr311-api")


def find_jars() -> list[Path]:
    """Return the paths of all jars, those that are missing too."""
    return [*(FOLDER / f"{name}.jar" for name in JARS), *(Path("/usr/share/java") / f"{name}.jar" for name in _DEBIAN)]


def bring_jars(uv: str) -> None:
    """Download the package and keep its jars.

    To know what the package needs, uv unpacks it into its cache: that is enough, and no wheel of 220 MB is built.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as cache:
        constraints = Path(cache) / "constraints.txt"
        constraints.write_text("pypandoc<1.8\n", "utf-8")  # its setup.py asks for the names that this one had
        command = [uv, "pip", "compile", "--quiet", "--cache-dir", cache, "--build-constraints", str(constraints), "-"]
        subprocess.run(command, input=f"{PACKAGE}\n".encode(), stdout=subprocess.DEVNULL, check=True)
        (folder,) = Path(cache).glob("sdists-*/**/deps/jars")
        for name in JARS:
            shutil.move(folder / f"{name}.jar", FOLDER / f"{name}.jar")


if __name__ == "__main__":
    bring_jars(sys.argv[1])
