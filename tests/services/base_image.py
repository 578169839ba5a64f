"""The files of a container image with this machine's own Python and pip, its libraries, and the tools of busybox."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path, PurePosixPath

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CHANGES = (
    (
        f"ENV SSL_CERT_FILE={CERTIFICATES} PIP_CERT={CERTIFICATES} "
        "PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/lib"
    ),
    'CMD ["python3"]',
)
_SERIES = f"python{sys.version_info[0]}.{sys.version_info[1]}"
_PREFIX = Path(sys.base_prefix).resolve()
# What wheels of other projects ask for: a distribution has all libraries of glibc, those that are empty today too.
_OF_GLIBC = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6")
_LOADED_LATER = (
    *("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1", "libstdc++.so.6"),
    *_OF_GLIBC,
)
_FOLDERS = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "root", "tmp", "var/tmp", "usr/local/bin")
_LEFT_OUT = re.compile(
    r"/__pycache__|/test(/|$)|/idlelib|\.a$|/site-packages/(?!pip|setuptools|_distutils_hack|distutils-precedence)"
)
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


@cache
def archive() -> bytes:
    """Return the files as a tar archive; made once, about 110 MB."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for folder in _FOLDERS:
            _add_folder(tar, folder)
        for name in ("bin", "sbin", "lib", "lib64"):
            _add_link(tar, name, f"usr/{name}")
        for library in sorted(_libraries()):
            path = library.removeprefix("/")
            _add_file(tar, library, path if path.startswith("usr/") else f"usr/{path}")
        _add_busybox(tar)
        _add_python(tar)
        _add_file(tar, os.environ.get("SSL_CERT_FILE", CERTIFICATES), CERTIFICATES.removeprefix("/"))
        for name, text in _TEXTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return output.getvalue()


def _libraries() -> set[str]:
    """Return the shared libraries that Python and its modules load."""
    dynamic = (_PREFIX / "lib" / _SERIES / "lib-dynload").glob("*.so")
    own = (_PREFIX / "lib").glob("libpython*.so*")
    found: set[str] = set()
    for path in (_PREFIX / "bin" / _SERIES, *dynamic, *own):
        output = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        found |= {match[1] for match in re.finditer(r"(/\S+)\s+\(0x", output)}
    folders = {Path(library).parent for library in found if library.endswith(("libc.so.6", "libm.so.6"))}
    later = {str(folder / name) for folder in folders for name in _LOADED_LATER if (folder / name).exists()}
    return {library for library in found | later if not library.startswith(str(_PREFIX))}


def _add_python(tar: tarfile.TarFile) -> None:
    _add_file(tar, str(_PREFIX / "bin" / _SERIES), f"usr/local/bin/{_SERIES}")
    for name in ("python", "python3"):
        _add_link(tar, f"usr/local/bin/{name}", _SERIES)
    tar.add(_PREFIX / "lib" / _SERIES, f"usr/local/lib/{_SERIES}", filter=_without_rest)
    for library in (_PREFIX / "lib").glob("libpython*.so*"):
        tar.add(library, f"usr/local/lib/{library.name}")


def _add_busybox(tar: tarfile.TarFile) -> None:
    _add_file(tar, "/bin/busybox", "usr/bin/busybox")
    names = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if name != "busybox":
            _add_link(tar, f"usr/bin/{name}", "busybox")


def _without_rest(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    return None if _LEFT_OUT.search(member.name) else member


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    for folder in (*reversed(PurePosixPath(name).parents), PurePosixPath(name)):
        member = tarfile.TarInfo(str(folder))
        member.type, member.mode = tarfile.DIRTYPE, 0o1777 if str(folder) in {"tmp", "var/tmp"} else 0o755
        if str(folder) != "." and str(folder) not in tar.getnames():
            tar.addfile(member)


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    tar.addfile(member)


def _add_file(tar: tarfile.TarFile, source: str, name: str) -> None:
    tar.add(os.path.realpath(source), name, recursive=False)
