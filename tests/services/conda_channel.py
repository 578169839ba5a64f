"""A conda channel in a folder, with the real interpreter that runs the tests packaged as conda's ``python``.

py-rattler, the extra `conda`, writes its index.
"""

from __future__ import annotations

import asyncio
import bz2
import hashlib
import importlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

MISSING = "" if find_spec("rattler") and sys.platform == "linux" else "py-rattler is not installed, or this is no Linux"
SERIES = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON_VERSION = ".".join(map(str, sys.version_info[:3]))
SUBDIR = f"linux-{'64' if os.uname().machine == 'x86_64' else os.uname().machine}"

_MTIME = 1_700_000_000
# What no test needs of the interpreter: two thirds of its bytes.
_LEFT_OUT = frozenset({
    *("__pycache__", "test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "pydoc_data"),
    *("dist-packages", f"config-{SERIES}-x86_64-linux-gnu"),
})  # fmt: skip


class Package(NamedTuple):
    """A package of conda; a blank ``noarch`` is for this platform, ``links`` are symbolic links."""

    name: str
    version: str
    files: Mapping[str, bytes | str]
    depends: Sequence[str] = ()
    noarch: str = "generic"
    links: Mapping[str, str] = {}


def write_package(channel: Path, package: Package) -> Path:
    """Write a package into a channel, which must be indexed afterwards."""
    folder = channel / ("noarch" if package.noarch else SUBDIR)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {path: text.encode() if isinstance(text, str) else text for path, text in package.files.items()}
    archive = folder / f"{package.name}-{package.version}-0.tar.bz2"
    with bz2.open(archive, "wb", compresslevel=1) as compressed, tarfile.open(fileobj=compressed, mode="w") as tar:
        for path, data in {**_information(folder.name, package, contents), **contents}.items():
            member = _member(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for path, target in package.links.items():
            member = _member(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return archive


def index(channel: Path) -> Path:
    """Write the index of a channel; return the channel."""
    rattler_index = importlib.import_module("rattler.index")
    (channel / "noarch").mkdir(parents=True, exist_ok=True)
    asyncio.run(rattler_index.index_fs(str(channel)))
    return channel


def write_python(channel: Path) -> None:
    """Package the interpreter that runs the tests."""
    base = Path(sys.base_prefix)
    library = base / "lib" / f"python{SERIES}"
    files = {f"lib/python{SERIES}/{path}": (library / path).read_bytes() for path in _walk(library)}
    for shared in base.glob("lib/libpython3*.so.*"):
        files[f"lib/{shared.name}"] = shared.read_bytes()
    program = Path(os.path.realpath(sys.executable)).read_bytes()
    files[f"bin/python{SERIES}"] = program
    links = {f"bin/{name}": f"python{SERIES}" for name in ("python", "python3")}
    write_package(channel, Package("python", PYTHON_VERSION, files, noarch="", links=links))


SCRIPTS = {
    "bin/.scripted-post-link.sh": (
        'cp "$PREFIX/share/tinylib/version" "$PREFIX/share/linked-$PKG_VERSION"\n'
        "env >$PREFIX/share/link-variables\n"
        "echo linked >$PREFIX/.messages.txt\n"
    ),
    "etc/conda/activate.d/scripted.sh": (
        'echo welcome\nexport SCRIPTED_HOME="$CONDA_PREFIX/share" GREETING="good\nday"\n'
        'export LIBRARIES="$CONDA_PREFIX/lib:$LIBRARIES" PATH="$CONDA_PREFIX/share/programs:$PATH" OWN=script\n'
    ),
    "etc/conda/activate.d/scripted.fish": "set -gx SHELL_OF_ANOTHER 1\n",
    "share/programs/scripted": "#!/bin/sh\necho $SCRIPTED_HOME\n",
}


def make_channel(channel: Path) -> Path:
    """Return a channel with the interpreter, a library in two versions, a program that needs the old one, a module.

    Two more packages have scripts: of ``scripted`` both its link script and its activation work, the link script of
    ``unlinked`` fails.
    """
    write_python(channel)
    script = '#!/bin/sh\ncat "$(dirname "$0")/../share/tinylib/version"\n'
    metadata = "Metadata-Version: 2.1\nName: pymod\nVersion: 0.1\n"
    module = {"site-packages/pymod.py": "X = 1\n", "site-packages/pymod-0.1.dist-info/METADATA": metadata}
    packages = (
        *(Package("tinylib", version, {"share/tinylib/version": f"{version}\n"}) for version in ("1.0", "1.1")),
        Package("tinyapp", "2.0", {"bin/tinyapp": script}, ["tinylib >=1.0,<1.1"]),
        Package("pymod", "0.1", module, ["python >=3.11"], noarch="python"),
        Package("gpuapp", "1.0", {"share/gpuapp": ""}, ["__cuda >=12"]),
        Package("scripted", "1.0", SCRIPTS, ["tinylib"]),
        Package("unlinked", "1.0", {"bin/.unlinked-post-link.sh": "echo there is no display >&2\nexit 3\n"}),
    )
    for package in packages:
        write_package(channel, package)
    return index(channel)


def _walk(library: Path) -> Iterator[str]:
    for folder, names, files in os.walk(library):
        names[:] = [name for name in names if name not in _LEFT_OUT and not name.startswith("config-")]
        yield from (os.path.relpath(Path(folder, file), library) for file in files if not file.endswith(".a"))


def _member(path: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    is_program = path.startswith(("bin/", "share/programs/"))
    member.mode, member.mtime = 0o755 if is_program else 0o644, _MTIME
    return member


def _information(subdir: str, package: Package, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files below ``info/`` of a package."""
    paths = [
        *(
            {
                "_path": path,
                "path_type": "hardlink",
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_in_bytes": len(data),
            }
            for path, data in contents.items()
        ),
        *({"_path": path, "path_type": "softlink"} for path in package.links),
    ]
    documents = {
        "index": {
            "name": package.name,
            "version": package.version,
            "build": "0",
            "build_number": 0,
            "depends": list(package.depends),
            "subdir": subdir,
            "license": "MIT",
            "timestamp": _MTIME * 1000,
            **({"noarch": package.noarch} if package.noarch else {}),
        },
        "paths": {"paths": paths, "paths_version": 1},
        "about": {},
        **(
            {"link": {"noarch": {"type": "python"}, "package_metadata_version": 1}}
            if package.noarch == "python"
            else {}
        ),
    }
    return {
        **{f"info/{key}.json": json.dumps(document).encode() for key, document in documents.items()},
        "info/files": "".join(f"{path}\n" for path in (*contents, *package.links)).encode(),
    }
