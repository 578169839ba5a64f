"""mlgit show: one live asset with its lineage, or a saved plan.

Imported by name: ``cli._saved_plan`` for a saved plan, ``project.registry_environments`` and ``project.dockerfile``.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from reconciler.cli.console import echo
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import find_live_version, open_current_state_session
from reconciler.model import Json, State, parse_address
from reconciler.render import outline, plan_json


@click.command("show")
@click.argument("address")
@click.option("--dockerfile", is_flag=True, help="Print the Dockerfile of an environment instead.")
@format_option
@target_option
def command(address: str, form: str, *, dockerfile: bool) -> None:
    """Show one asset, its lineage and its fields; ADDRESS is KIND/NAME or KIND/NAME@VERSION, or a saved plan's file.

    \b
    mlgit show model/iris
    mlgit show model/iris@1 --format json
    mlgit show environment/azureml/sklearn-1.5
    mlgit show environment/torch --dockerfile
    mlgit show plan.json
    """
    if Path(address).suffix == ".json" or Path(address).is_file():
        importlib.import_module("reconciler.cli._saved_plan").print_saved_plan(Path(address), form)
        return
    session = open_current_state_session()
    state = session.read_refreshed_state()
    if dockerfile:
        module = importlib.import_module("reconciler.project.dockerfile")
        echo(module.show_dockerfile(session, state, find_live_version(address, state)), nl=False)
        return
    if (environment := _describe_registry_environment(address, state)) is not None:
        echo(plan_json.dump_json(environment) if form == "json" else outline.format_outline(environment))
        return
    record = find_live_version(address, state)
    fields = plan_json.record_to_json(record, state.find_builds(record.fingerprint))
    run = state.find_run(record.address, record.latest) if record.latest else None
    if run is not None:
        fields["latest_run"] = plan_json.run_to_json(run)
    echo(plan_json.dump_json(fields) if form == "json" else outline.format_outline(fields))


def _describe_registry_environment(text_of_address: str, state: State) -> Json:
    """Return what mlgit knows of an environment of a registry, such as ``environment/azureml/sklearn-1.5``."""
    address = parse_address(text_of_address)
    if "/" not in address.name or address in state.current:  # the name of a job can have a slash
        return None
    module = importlib.import_module("reconciler.project.registry_environments")
    return module.describe_registry_environment(address, state)
