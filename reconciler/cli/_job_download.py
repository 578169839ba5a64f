"""mlgit job download: write the outputs of a run into a folder; also as `az ml job download` is called."""

from __future__ import annotations

import click

from reconciler.cli._job_run import find_run
from reconciler.cli._transfer import run_transfer
from reconciler.cli.options import format_option, target_option
from reconciler.project.export import all_output_files, output_files
from reconciler.project.record_experiment import record_ended_experiment


@click.command("download")
@click.argument("job")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--output", metavar="NAME", help="Write this output alone, straight into DIR.")
@click.option("--output-name", metavar="NAME", help="Write this output alone, into DIR/named-outputs/NAME.")
@click.option("--all", "everything", is_flag=True, help="Write all outputs; so it is without --output, too.")
@click.option("--download-path", "-p", metavar="DIR", help="The folder, as az ml calls it; default: the current one.")
@click.option("--force", is_flag=True, help="Replace files in DIR that are different.")
@format_option
@target_option
def command(  # noqa: PLR0913 - the options of `az ml job download` besides ours
    job: str,
    folder: str | None,
    *,
    output: str | None,
    output_name: str | None,
    download_path: str | None,
    form: str,
    everything: bool,
    force: bool,
) -> None:
    """Write the outputs of a completed run into a folder, verified by their digests.

    All outputs are written as az ml does it: ./outputs and ./logs of the job into DIR/artifacts, an output NAME into
    DIR/named-outputs/NAME. Other files in DIR stay; without --force, a different file of the same name is an error.

    \b
    mlgit job download train out
    mlgit job download train model --output model
    mlgit job download --name train-1c60a0d6 --all --download-path out
    """
    del everything  # an output that is named comes first, as in az ml
    if output and output_name:
        raise click.UsageError("use --output or --output-name, not both")
    if folder and download_path:
        raise click.UsageError("use DIR or --download-path, not both")
    session, state, run = find_run(job)
    if run.experiment and run.is_unfinished:
        run = record_ended_experiment(session, run)
    selected = output or output_name
    transfer = (
        output_files(run, selected, in_named_folder=output_name is not None) if selected else all_output_files(run)
    )
    title = f"output {selected} of run {run.id}" if selected else f"outputs of run {run.id}"
    fields = {"run": run.id, "job": str(run.address), "outputs": [selected] if selected else [*run.outputs]}
    run_transfer(
        session, state, transfer, folder or download_path or ".", title=title, fields=fields, force=force, form=form
    )
