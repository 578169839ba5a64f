"""mlgit schema: the JSON schema of a kind on its own, and an editor that knows them all."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import click

from reconciler.cli.options import format_option
from reconciler.diagnostics import failure
from reconciler.format.bundle import bundle
from reconciler.format.config import FILE
from reconciler.format.kinds import kinds
from reconciler.format.schema_files import documents, identity
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json
from reconciler.render import as_json
from reconciler.source.lying import asset_files

_SCHEMAS = PurePosixPath(".mlgit/schemas")
SETTINGS = PurePosixPath(".vscode/settings.json")
_ASSET = "asset"
_USUAL = ("components", "compute", "data", "datastores", "environments", "jobs", "models")
_CONFIG = FILE.partition(".")[0]


@click.command("schema")
@click.argument("kind", required=False)
@click.option(
    "--write-editor-settings",
    "folder",
    metavar="DIR",
    is_flag=False,
    flag_value=".",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Make the editor know the schemas in DIR, by default here.",
)
@format_option
def command(kind: str | None, folder: Path | None, form: str) -> None:
    """Print the JSON schema of KIND as one document; without KIND, list the kinds.

    With --write-editor-settings the schemas go into .mlgit/schemas and .vscode/settings.json names them, for editors
    that use yaml-language-server; what else the settings hold stays.

    \b
    mlgit schema job > job.schema.json
    mlgit schema --write-editor-settings
    """
    if folder is not None:
        written = write_editor_settings(folder)
        click.echo(
            as_json.dump({"wrote": written}) if form == "json" else "\n".join(f"wrote {path}" for path in written)
        )
    elif kind is not None:
        click.echo(as_json.dump(_bundled(kind)))
    else:
        click.echo(as_json.dump(_described()) if form == "json" else "\n".join(_listed()))


def write_editor_settings(folder: Path) -> tuple[str, ...]:
    """Write the schemas and the settings that name them below a folder; return what was written, from there.

    A UserError where there are settings that are not plain JSON: nothing is written then.
    """
    settings = folder / SETTINGS
    merged = _merged(settings, _associations(folder))
    schemas = folder / _SCHEMAS
    schemas.mkdir(parents=True, exist_ok=True)
    for name in (*kinds(), _CONFIG):
        _write(schemas / f"{name}.schema.json", _bundled(name))
    _write(schemas / f"{_ASSET}.schema.json", _any_asset())
    settings.parent.mkdir(exist_ok=True)
    _write(settings, merged)
    return f"{_SCHEMAS}/", str(SETTINGS)


def _write(path: Path, value: Json) -> None:
    path.write_text(f"{as_json.dump(value)}\n", encoding="utf-8")


def _bundled(name: str) -> Json:
    if identity(name) not in documents() or name not in _names():
        hint = did_you_mean(name, _names()) or "`mlgit schema` lists them all"
        raise failure("schema-unknown", f"there is no schema of the name {name}", hint)
    return bundle(identity(name), documents())


def _names() -> Sequence[str]:
    """Return the kinds, then what else has a schema: those in the folder itself that name what they are of."""
    own = (PurePosixPath(each).name.removesuffix(".schema.json") for each in documents())
    others = (each for each in own if each not in kinds() and "type" in documents().get(identity(each), {}))
    return (*kinds(), *others)


def _described() -> list[Json]:
    return [{"name": name, "description": documents()[identity(name)].get("description", "")} for name in _names()]


def _listed() -> list[str]:
    width = max(map(len, _names()))
    return [f"{each['name']:{width}}  {each['description']}" for each in _described()]


def _any_asset() -> Json:
    """Return a schema that sends a file to that of its kind, by its ``$schema``; other files may say anything."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Azure ML asset",
        "type": "object",
        "allOf": [
            {
                "if": {"properties": {"$schema": {"pattern": _pattern(kind.schemas)}}, "required": ["$schema"]},
                "then": {"$ref": f"{name}.schema.json"},
            }
            for name, kind in kinds().items()
        ],
    }


def _pattern(names: str) -> str:
    """Write a pattern of lower-case names so that it takes any case: patterns in JSON schemas have no flags."""
    either = re.sub(r"[a-z]", lambda found: f"[{found[0]}{found[0].upper()}]", names)
    return rf"[aA][zZ][uU][rR][eE][mM][lL].*/({either})(\.[sS][cC][hH][eE][mM][aA])?(\.[jJ][sS][oO][nN])?/*$"


def _associations(folder: Path) -> Json:
    """Return which files have which schema: the folders that hold assets and those that usually do."""
    found = [PurePosixPath(each.path) for each in asset_files(folder, ["."]) if each.kind]
    tops = sorted({*_USUAL, *(each.parts[0] for each in found if len(each.parts) > 1)})
    single = sorted({"workspace.yml", *(each.name for each in found if len(each.parts) == 1)})
    globs = [f"{top}/**/*.{suffix}" for top in tops for suffix in ("yml", "yaml")]
    return {
        f"./{_SCHEMAS}/{_ASSET}.schema.json": [*single, *globs],
        f"./{_SCHEMAS}/{_CONFIG}.schema.json": [FILE],
    }


def _merged(path: Path, associations: Json) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
        schemas = found.get("yaml.schemas", {})
        return found | {"yaml.schemas": schemas | associations}
    except (ValueError, AttributeError, TypeError) as error:
        message = f"{path} is not plain JSON with settings by name: it was left as it is"
        hint = f'put this into it by hand: "yaml.schemas": {json.dumps(associations)}'
        raise failure("settings-not-json", message, hint) from error
