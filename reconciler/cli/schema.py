"""mlgit schema: print the JSON schema of a kind, and set up an editor to use the schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import click

from reconciler.cli.console import echo
from reconciler.cli.options import format_option
from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kinds
from reconciler.format.schema_bundle import bundle_schema
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import MAX_BYTES
from reconciler.model import Json
from reconciler.policies.policy import POLICY_SCHEMA
from reconciler.render import plan_json
from reconciler.source.files import find_asset_files
from reconciler.source.policy_files import POLICY_FOLDER
from reconciler.source.rooted_files import MISSING, RootedFiles, repository_files

_SCHEMAS_FOLDER = PurePosixPath(".vscode/mlgit-schemas")  # committed with the settings, so a clone has both
EDITOR_SETTINGS_PATH = PurePosixPath(".vscode/settings.json")
_ASSET_SCHEMA_NAME = "asset"
_USUAL_FOLDERS = ("components", "compute", "data", "datastores", "environments", "jobs", "models")
# The folders of forms, those first whose form a bare name means.
_FORM_KINDS = ("job", "compute", "datastore", "deployment", "endpoint", "workspace", "schedule", "component")
_CONDA_SCHEMA_NAME = "conda"
_CONDA_GLOBS = tuple(f"**/conda*.{suffix}" for suffix in ("yml", "yaml"))
_POLICY_GLOBS = tuple(f"{POLICY_FOLDER}/**/*.{suffix}" for suffix in ("yml", "yaml"))
_CONFIG_SCHEMA_NAME = CONFIG_FILE.partition(".")[0]


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

    KIND may be a form of a kind too, by its type or its $schema: command, commandJob, amlcompute. With
    --write-editor-settings the schemas go into .vscode/mlgit-schemas and .vscode/settings.json names them, for editors
    that use yaml-language-server; what else the settings hold stays. Commit both, so that clones have them.

    \b
    mlgit schema job > job.schema.json
    mlgit schema pipelineComponent
    mlgit schema --write-editor-settings
    """
    if folder is not None:
        written = write_editor_settings(folder)
        echo(
            plan_json.dump_json({"wrote": written})
            if form == "json"
            else "\n".join(f"wrote {path}" for path in written)
        )
    elif kind is not None:
        echo(plan_json.dump_json(_bundle_schema(kind)))
    else:
        echo(plan_json.dump_json(_schema_descriptions()) if form == "json" else "\n".join(_schema_list_lines()))


def write_editor_settings(folder: Path) -> tuple[str, ...]:
    """Write the schemas, and editor settings that name them, below a folder; return the paths relative to it.

    Raise UserError, and write nothing, if the existing settings are not plain JSON: ``settings-not-json``.
    """
    files = repository_files(folder)
    merged = _merge_settings(files, _schema_associations(folder))
    for name in (*kinds(), _CONFIG_SCHEMA_NAME, _CONDA_SCHEMA_NAME, POLICY_SCHEMA):
        _write_json(files, f"{_SCHEMAS_FOLDER}/{name}.schema.json", _bundle_schema(name))
    _write_json(files, f"{_SCHEMAS_FOLDER}/{_ASSET_SCHEMA_NAME}.schema.json", _any_asset_schema())
    _write_json(files, str(EDITOR_SETTINGS_PATH), merged)
    return f"{_SCHEMAS_FOLDER}/", str(EDITOR_SETTINGS_PATH)


def _write_json(files: RootedFiles, path: str, value: Json) -> None:
    files.replace_file(path, f"{plan_json.dump_json(value)}\n".encode(), make_folders=True)


def _bundle_schema(name: str) -> Json:
    schema_name = name if name in _schema_names() else find_schema_name(name)
    if not schema_name:
        forms = (form.rpartition("/")[2] for form in _form_names())
        hint = did_you_mean(name, (*_schema_names(), *forms)) or "`mlgit schema` lists them all"
        raise user_error("schema-unknown", f"there is no schema of the name {name}", hint)
    return bundle_schema(schema_id(schema_name), load_schemas())


def find_schema_name(name: str) -> str:
    """Return the schema that a name in any spelling means, "" if none: a kind, a form of one, or a ``$schema``.

    A form that several kinds have is that of the first in ``_FORM_KINDS``: ``command`` is a job.
    """
    plain = _plain_name(name.rpartition("/schemas/")[2] if "://" in name else name)
    for candidate in (*_schema_names(), *_form_names()):
        folder, _, form = candidate.rpartition("/")
        aliases = {candidate, f"{candidate}s", form, f"{form}{folder}", f"{folder}{form}"}
        if plain in map(_plain_name, aliases):
            return candidate
    return next((kind.name for kind in kinds().values() if re.fullmatch(kind.schema_pattern, plain)), "")


def _plain_name(name: str) -> str:
    """Return a name in lower case, without suffixes and signs: ``managed-online`` is ``managedOnline``."""
    last = name.lower().removesuffix(".json").removesuffix(".schema")
    return re.sub(r"[^a-z0-9]", "", last.rpartition("/")[2] if "azureml" in last else last)


def _form_names() -> Sequence[str]:
    """Return the names of the forms of kinds, such as ``job/command``."""
    names = (schema.removeprefix(schema_id("").removesuffix(".schema.json")) for schema in load_schemas())
    forms = [name.removesuffix(".schema.json") for name in names if "/" in name and not name.startswith("defs/")]
    return sorted(forms, key=lambda name: (_FORM_KINDS.index(name.partition("/")[0]), name))


def _schema_names() -> Sequence[str]:
    """Return the kinds, then the names of the other schemas: those of the folder itself that have a type."""
    names = (PurePosixPath(schema).name.removesuffix(".schema.json") for schema in load_schemas())
    others = (name for name in names if name not in kinds() and "type" in load_schemas().get(schema_id(name), {}))
    return (*kinds(), *others)


def _schema_descriptions() -> list[Json]:
    return [
        {"name": name, "description": load_schemas()[schema_id(name)].get("description", "")}
        for name in _schema_names()
    ]


def _schema_list_lines() -> list[str]:
    width = max(map(len, _schema_names()))
    return [f"{description['name']:{width}}  {description['description']}" for description in _schema_descriptions()]


def _any_asset_schema() -> Json:
    """Return a schema that applies the schema of a kind by the ``$schema`` of a file; it accepts any other file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Azure ML asset",
        "type": "object",
        "allOf": [
            {
                "if": {
                    "properties": {"$schema": {"pattern": _case_insensitive_pattern(kind.schema_pattern)}},
                    "required": ["$schema"],
                },
                "then": {"$ref": f"{name}.schema.json"},
            }
            for name, kind in kinds().items()
        ],
    }


def _case_insensitive_pattern(names: str) -> str:
    """Return a pattern that matches names in any case, because patterns in JSON schemas have no flags."""
    any_case = re.sub(r"[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", names)
    return rf"[aA][zZ][uU][rR][eE][mM][lL].*/({any_case})(\.[sS][cC][hH][eE][mM][aA])?(\.[jJ][sS][oO][nN])?/*$"


def _schema_associations(folder: Path) -> Json:
    """Return the file globs of each schema: the folders that contain assets, and those that usually do."""
    paths = [PurePosixPath(source_file.path) for source_file in find_asset_files(folder, ["."]) if source_file.kind]
    folders = sorted({*_USUAL_FOLDERS, *(path.parts[0] for path in paths if len(path.parts) > 1)})
    top_level_files = sorted({"workspace.yml", *(path.name for path in paths if len(path.parts) == 1)})
    excluded = [f"!{glob}" for glob in _CONDA_GLOBS]
    globs = [f"{name}/**/*.{suffix}" for name in folders for suffix in ("yml", "yaml")]
    return {
        f"./{_SCHEMAS_FOLDER}/{_ASSET_SCHEMA_NAME}.schema.json": [*top_level_files, *globs, *excluded],
        f"./{_SCHEMAS_FOLDER}/{_CONDA_SCHEMA_NAME}.schema.json": list(_CONDA_GLOBS),
        f"./{_SCHEMAS_FOLDER}/{_CONFIG_SCHEMA_NAME}.schema.json": [CONFIG_FILE],
        f"./{_SCHEMAS_FOLDER}/{POLICY_SCHEMA}.schema.json": list(_POLICY_GLOBS),
    }


def _merge_settings(files: RootedFiles, associations: Json) -> Json:
    path = str(EDITOR_SETTINGS_PATH)
    raw = b"{}" if files.kind_of(path) == MISSING else files.read_file(path, MAX_BYTES)
    try:
        settings = json.loads(raw.decode("utf-8-sig"))
        schemas = settings.get("yaml.schemas", {})
        return settings | {"yaml.schemas": schemas | associations}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        message = f"{files.top / path} is not plain JSON with settings by name: it was left as it is"
        hint = f'put this into it by hand: "yaml.schemas": {json.dumps(associations)}'
        raise user_error("settings-not-json", message, hint) from error
