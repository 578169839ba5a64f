"""What `az ml` calls its commands: for one that mlgit does not have, what to use instead.

Imported by name, for a command that does not exist.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from reconciler.diagnostics import SET_OPTION

# Groups of `az ml` -> the kind of their assets.
_KINDS: Mapping[str, str] = {
    "batch-deployment": "deployment",
    "batch-endpoint": "endpoint",
    "component": "component",
    "compute": "compute",
    "connection": "connection",
    "data": "data",
    "datastore": "datastore",
    "deployment": "deployment",
    "endpoint": "endpoint",
    "environment": "environment",
    "feature-set": "featureset",
    "feature-store": "featurestore",
    "feature-store-entity": "featurestore-entity",
    "model": "model",
    "online-deployment": "deployment",
    "online-endpoint": "endpoint",
    "registry": "registry",
    "schedule": "schedule",
    "workspace": "workspace",
}
_APPLY = "write it to a file, commit that, and use `mlgit apply`"
_APPLY_FILE = "commit {file}, and use `mlgit apply`"
_RUN = "use `mlgit run {file}{set}`, or commit the file and use `mlgit apply`"
# Verbs of all these groups.
_ASSET_VERBS: Mapping[str, str] = {
    "archive": "use `mlgit archive {kind}/{name}`",
    "create": _APPLY,
    "delete": "remove its file, commit that, and use `mlgit apply`",
    "download": "use `mlgit get {kind}/{name} DIR`",
    "list": "use `mlgit list {kind}`",
    "restore": "use `mlgit restore {kind}/{name}`",
    "show": "use `mlgit show {kind}/{name}`",
    "update": "edit its file, commit that, and use `mlgit apply`",
    "validate": "use `mlgit validate {file}`",
}
_JOB_VERBS: Mapping[str, str] = {
    "archive": "use `mlgit archive job/{name}`",
    "connect-ssh": "runs have no ssh service; `mlgit job show {name}` says where their files are",
    "create": _RUN,
    "delete": "remove its file, commit that, and use `mlgit apply`",
    "restore": "use `mlgit restore job/{name}`",
    "run": _RUN,
    "show-services": "runs have no services; use `mlgit job show {name}`",
    "status": "use `mlgit job show {name}`",
    "stop": "use `mlgit job cancel {name}`",
    "stream": "use `mlgit job logs {name} --follow`",
    "submit": _RUN,
    "update": "edit its file, commit that, and use `mlgit apply`",
    "validate": "use `mlgit validate {file}`",
}
# What is typed without a group, also by users of Terraform.
_VERBS: Mapping[str, str] = {
    "cancel": "use `mlgit job cancel {name}`",
    "create": _RUN,
    "destroy": "use `mlgit apply --destroy`",
    "download": "use `mlgit get KIND/NAME DIR`, or `mlgit job download {name} DIR` for the outputs of a run",
    "logs": "use `mlgit job logs {name}`",
    "metrics": "use `mlgit job metrics {name}`",
    "refresh": "use `mlgit drift`, or `mlgit plan --refresh`",
    "rerun": "use `mlgit job rerun {name}`",
    "stream": "use `mlgit job logs {name} --follow`",
    "submit": _RUN,
    "wait": "use `mlgit job wait {name}`",
}
_OWN_GROUPS = ("data",)  # groups of mlgit with other verbs
_FILE_OPTIONS, _NAME_OPTIONS = ("--file", "-f"), ("--name", "-n")


def az_command_hint(words: Sequence[str]) -> str:
    """Return a line on a command that mlgit does not have but `az ml` or a similar program has; "" for any other."""
    rest = [*words]
    while rest and rest[0] in ("az", "ml"):
        rest.pop(0)
    group, verb = (rest[0] if rest else ""), (rest[1] if rest[1:] else "")
    if group == "job" and verb in _JOB_VERBS:
        return _format_hint(f"job {verb}", _JOB_VERBS[verb], rest[2:])
    if group in _KINDS and verb in _ASSET_VERBS:
        return _format_hint(f"{group} {verb}", _ASSET_VERBS[verb], rest[2:], _KINDS[group])
    if group in _KINDS and group not in _OWN_GROUPS:
        return f"mlgit has no command `{group}`: use `mlgit list {_KINDS[group]}`; `mlgit --help` lists the commands"
    if group in _VERBS:
        return _format_hint(group, _VERBS[group], rest[1:])
    prefix = " ".join(words[: len(words) - len(rest)])
    return f"mlgit has no command `{prefix}`: use `mlgit {shlex.join(rest)}`" if prefix and rest else ""


def _format_hint(command: str, template: str, arguments: Sequence[str], kind: str = "") -> str:
    """Return a hint with the file or the name that was given put into it."""
    word = next((argument for argument in arguments[:1] if not argument.startswith("-")), "")
    given = _option_value(arguments, _FILE_OPTIONS)
    file = given or word or "FILE"
    name = _option_value(arguments, _NAME_OPTIONS) or word or ("NAME" if kind else "JOB")
    template = _APPLY_FILE if given and template == _APPLY else template
    values = "".join(f" {shlex.quote(argument)}" for argument in _set_arguments(arguments))
    replacement = template.format(file=shlex.quote(file), name=shlex.quote(name), kind=kind, set=values)
    return f"mlgit has no command `{command}`: {replacement}"


def _set_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the option --set with its values, as often as it is given."""
    taken: list[str] = []
    is_value = False
    for argument in arguments:
        is_option = argument.startswith("-")
        is_value = argument.partition("=")[0] == SET_OPTION if is_option else is_value
        taken += [argument] if is_value else []
    return taken


def _option_value(arguments: Sequence[str], options: Sequence[str]) -> str:
    """Return the value of an option, "" if it is not given."""
    for position, argument in enumerate(arguments):
        option, has_value, value = argument.partition("=")
        if option in options:
            return value if has_value else next(iter(arguments[position + 1 :]), "")
    return ""
