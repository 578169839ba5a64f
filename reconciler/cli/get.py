"""mlgit get: bring the files of a model or a data asset, or the lock of an environment, out of the store."""

from __future__ import annotations

import click

from reconciler.cli._transfer import fetch_remote, run_transfer, target_folder
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import find_live_version, open_current_state_session
from reconciler.model import Json
from reconciler.project.export import (
    find_lock,
    find_registry_environment,
    is_built,
    version_files,
    write_lock,
)
from reconciler.project.recorded_builds import RecordedBuild
from reconciler.render import plan_json


@click.command("get")
@click.argument("address")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--force", is_flag=True, help="Replace files in DIR that are different.")
@format_option
@target_option
def command(address: str, folder: str, form: str, *, force: bool) -> None:
    """Write the files of a model or a data asset, or the lock of an environment, into a folder.

    ADDRESS is KIND/NAME or KIND/NAME@VERSION; without a version, or with @latest, it is the current one. Each file is
    verified by its digest; data that is elsewhere is brought first, if it is still what was registered. Other files in
    DIR stay; without --force, a different file of the same name is an error. Of an environment, requirements.txt with
    the hashes of its packages and .python-version are written.

    \b
    mlgit get model/iris out
    mlgit get data/iris@1 out --force
    mlgit get environment/sklearn out && pip install --require-hashes -r out/requirements.txt
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    if environment := find_registry_environment(state, address):
        return _get_lock(find_lock(session, state, *environment), environment[0], folder, form, force=force)
    record = find_live_version(address, state)
    version = record.address.format_with_version(record.version)
    if is_built(record.address):
        return _get_lock(find_lock(session, state, version, record.fingerprint), version, folder, form, force=force)
    transfer = version_files(state, record, fetch_remote(session, state, record, version))
    fields = _version_fields(version)
    return run_transfer(session, state, transfer, folder, title=version, fields=fields, force=force, form=form)


def _version_fields(version: str) -> Json:
    address, _, number = version.partition("@")
    return {"address": address, "version": number}


def _get_lock(build: RecordedBuild, version: str, folder: str, form: str, *, force: bool) -> None:
    written = write_lock(build, target_folder(folder), overwrite=force)
    facts = {"builder": build.builder, "python": build.python, "platform": build.platform, "identity": build.identity}
    if form == "json":
        return echo(plan_json.dump_json({**_version_fields(version), **facts, "folder": folder, "written": written}))
    what = f"the lock of its build with {build.builder}, for Python {build.python} on {build.platform}"
    return echo_line(f"{version}: wrote {what} to {folder}." if written else f"{version}: {folder} has {what} already.")
