"""The program that a node gets: the modules in its archive are all that it imports, but for the standard library."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

from reconciler.backends._node_program import build_program


def test_the_program_of_a_node_has_every_module_that_it_imports(tmp_path):
    zipfile.ZipFile(io.BytesIO(build_program())).extractall(tmp_path)
    modules = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.py")]
    names = sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules)
    imports = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", imports], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, "reconciler.backends._node" in names) == (0, "", True)
