"""Secrets in the environment of mlgit do not reach a job."""

from __future__ import annotations

import pytest
from workspaces import APPLY

pytestmark = pytest.mark.slow

SECRET = "s3cr3t-of-the-user"  # noqa: S105 - made up


@pytest.mark.parametrize(
    "body",
    [
        "print(dict(os.environ))",
        # On Linux a process can read the environment of its parent.
        "env = pathlib.Path('/proc', str(os.getppid()), 'environ')\nprint(env.read_bytes() if env.exists() else '')",
    ],
)
def test_no_secret_of_the_caller_reaches_a_job(body, workspace, mlgit, monkeypatch):
    for name in ("SECRET", "AWS_SECRET_ACCESS_KEY", "UV_INDEX_PRIVATE_PASSWORD", "GITHUB_TOKEN", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://user:{SECRET}@127.0.0.1:9")
    workspace.script(body)
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0
    log = mlgit("job", "logs", "sum", cwd=workspace.folder).out
    assert "HOME" in log
    assert SECRET not in log
    store = workspace.folder / ".mlgit/store"
    files_with_secret = [path for path in store.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert files_with_secret == []
