"""mlgit env lock: write the lock of an environment beside its file."""

from __future__ import annotations

from pathlib import PurePosixPath

import click

from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.diagnostics import user_error
from reconciler.project.environment import find_declared_environment, lock_environment
from reconciler.render import plan_json

_SUFFIX = ".lock.txt"


@click.command("lock")
@click.argument("environment")
@click.option("--force", is_flag=True, help="Replace a file that has another lock.")
@format_option
@target_option
def command(environment: str, form: str, *, force: bool) -> None:
    """Write the lock of an environment, as its file declares it now, beside that file.

    It is the lock of its recorded build, if there is one; else the environment is built here, as apply would do it.
    The lock has each package with its version and hashes; that of a Dockerfile has the images behind FROM alone.
    Nothing is recorded in the live state.

    \b
    mlgit env lock sklearn
    """
    session = open_current_session()
    state = session.state_store.read()
    address = find_declared_environment(session, environment)
    locked = lock_environment(session, state, address, lambda text: echo_line(f"{address}: {text}", err=True))
    if not locked.lock.strip() and form != "json":
        return echo_line(f"{address}: its build with {locked.builder} has no packages, so there is nothing to lock.")
    path = PurePosixPath(session.tree.display_path(locked.source)).with_name(f"{address.name}{_SUFFIX}")
    file = session.workspace.folder / path
    known = file.read_text("utf-8") if file.is_file() else None
    if known is not None and known != locked.lock and not force:
        raise user_error("target-exists", f"{path} has another lock", "use --force to replace it")
    is_new = known != locked.lock and bool(locked.lock.strip())
    if is_new:
        file.write_text(locked.lock, "utf-8")
    origin = "recorded build" if locked.is_recorded else "build on this machine"
    if form == "json":
        fields = {
            "address": str(address),
            "builder": locked.builder,
            "path": str(path),
            "written": is_new,
        }
        return echo(plan_json.dump_json(fields))
    text = f"the lock of its {origin} with {locked.builder}"
    return echo_line(f"{address}: wrote {path}, {text}." if is_new else f"{address}: {path} has {text} already.")
