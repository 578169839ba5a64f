"""Write docs/support.md from the support tables of the providers: ``make docs`` runs it, a test checks its output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reconciler.backends import BACKENDS
from reconciler.builders import BUILDERS
from reconciler.format.kind import Kind
from reconciler.format.kinds import kinds
from reconciler.format.pointers import split_pointer
from reconciler.format.schema_leaves import schema_leaves
from reconciler.model.support import FORMS, Honoured, Ignored, Support, UnsupportedField, compare_with_support
from reconciler.planning.jobs import PLANNERS
from reconciler.planning.jobs.support import PARALLEL_SUPPORT
from reconciler.planning.support import OWN_SUPPORT, field_name, table_entries
from reconciler.storage.datastores import DATASTORES

PAGE = Path(__file__).with_name("support.md")
JOB_TYPE = "command"
INTRODUCTION = """\
# What is supported

This page is generated from the tables of the providers (`make docs`). Every kind and field of the Azure ML CLI v2 YAML
is read and checked; this is what mlgit does of it.

A provider *honours* a field, or *ignores* it: then a plan says so, with its position. A field that is set to something
else than its default and is neither is *refused* (`not-supported`): an error if the plan would have the provider do it,
which stops only that asset and what waits for it; a note elsewhere. Fields that describe (name, description, tags and
the like) ask nothing of a provider, and neither do `outputs.NAME.name` and `version`: mlgit registers the output
([format.md](format.md)).

*Recorded only* are assets that no provider realises: they are planned, versioned and listed; nothing is made or run.
"""

NODES = """\
## Nodes of pipelines

Each node is checked as a job of the type `command`, with what it and its component say together, by the backend of its
compute; a problem is shown at the node, or in the file of its component. Nodes of the types `command`, `sweep`,
`parallel` and `pipeline` run. A pipeline with a node of any other type (`spark`, `automl`, `import`, `data_transfer`,
`do_while`, `if_else`, `parallel_for`) is refused as a whole, and so are the hooks `settings.on_init` and
`settings.on_finalize`, components of a registry, and outputs that are values and not files."""

PARALLEL = """\
## mlgit itself: nodes of the type `parallel`

`task.code`, `task.environment`, `inputs`, `outputs`, `environment_variables`, `compute`, `resources` and `identity` are
as the backend does them for a command. `program_arguments.NAME` is the argument `--NAME` in `task.program_arguments`,
the rest of which the script gets ([parallel.md](parallel.md)). An `input_data` of the type `mltable` or with
`mode: direct` is refused.

| field | | |
| --- | --- | --- |"""


def page() -> str:
    """Return the page."""
    return "\n".join([INTRODUCTION, *_recorded_only_lines(), *_provider_sections()]) + "\n"


def _recorded_only_lines() -> Iterator[str]:
    names = [f"`{kind.name}`" for kind in kinds().values() if not kind.is_runnable and not kind.is_supported({})]
    jobs = kinds()["job"]
    types = [f"`{name}`" for name in sorted(jobs.types) if not jobs.is_supported({"type": name})]
    yield "## Recorded only"
    yield ""
    yield f"- Kinds: {', '.join(names)}."
    yield f"- Jobs of the types {', '.join(types)}. `mlgit job rerun` of one is an error."
    yield ""


def _provider_sections() -> Iterator[str]:
    for name in BACKENDS.names():
        yield from _sections(f"Backend `{name}`", BACKENDS.load(name).support)
    for name in BUILDERS.names():
        yield from _sections(f"Builder `{name}`", BUILDERS.load(name).support)
    for name in DATASTORES.names():
        yield from _sections(f"Datastores of the type `{name}`", DATASTORES.load(name).support)
    yield from _sections("mlgit itself", OWN_SUPPORT)
    for name, planner in PLANNERS.items():
        if planner.support is not None:
            yield from _sections("mlgit itself", planner.support, name)
    yield PARALLEL
    yield from map(_row, PARALLEL_SUPPORT.entries("job"))
    yield from ("| `task.model` | refused | |", "", NODES, "")


def _sections(title: str, support: Support, job_type: str = JOB_TYPE) -> Iterator[str]:
    for kind in kinds().values():
        if support.entries(kind.name):
            what = f"{kind.name}s of the type `{job_type}`" if kind.is_runnable else kind.name
            heading = title if kind.name == "datastore" else f"{title}: {what}"
            yield from (f"## {heading}", "", "| field | | |", "| --- | --- | --- |")
            yield from _rows(kind, support, job_type)
            yield ""


def _rows(kind: Kind, support: Support, job_type: str) -> Iterator[str]:
    """Yield the rows of a table: its entries, then what its kind has besides, which is refused."""
    yield from map(_row, support.entries(kind.name))
    # The schema of datastores is that of all types, of which each has fields of its own.
    if kind.name != "datastore" and (refused := _refused(kind, support, job_type)):
        yield f"| {_join([_field(pointer) for pointer in refused])} | refused | |"


def _row(entry: Honoured | Ignored) -> str:
    verdict = "ignored" if isinstance(entry, Ignored) else "honoured"
    values = f"{_values(entry.values)} only" if entry.values else ""
    values += f" if `{field_name(entry.when.pointer)}` is `{entry.when.value}`" if entry.when else ""
    text = ": ".join(filter(None, (values, entry.reason, entry.note if isinstance(entry, Honoured) else "")))
    return f"| {_join([_field(entry.pointer)])} | {verdict} | {text} |"


def _values(values: Iterable[str]) -> str:
    return ", ".join(value if value in FORMS else f"`{value}`" for value in values)


def _refused(kind: Kind, support: Support, job_type: str) -> list[str]:
    """Return the parts of a kind that no entry of a table covers, as short as possible."""
    leaves = schema_leaves(kind.name, job_type if kind.is_runnable else "").values()
    asked = [leaf.pointer for leaf in leaves if not leaf.is_read_only and leaf.pointer not in kind.descriptive_fields]
    covered = [pointer for pointer in asked if is_covered(kind, support, pointer)]
    shortest = (_shortest_uncovered(pointer, covered) for pointer in asked if pointer not in covered)
    return list(dict.fromkeys(shortest))


def _shortest_uncovered(pointer: str, covered: list[str]) -> str:
    """Return the first part of a pointer below which, and at which, nothing is covered."""
    parts = pointer.split("/")
    prefixes = ("/".join(parts[:length]) for length in range(2, len(parts) + 1))
    return next(prefix for prefix in prefixes if not any(f"{other}/".startswith(f"{prefix}/") for other in covered))


def is_covered(kind: Kind, support: Support, pointer: str) -> bool:
    """Return True if a table says something of a leaf: that some of its values are honoured or ignored."""
    values = [
        "value",
        "1",
        "1g",
        "--ipc=host",
        *(value for entry in support.entries(kind.name) for value in entry.values),
    ]
    fields = (
        list(compare_with_support(_spec_with(pointer, value), table_entries(kind.name, support), lambda *_: False))
        for value in values
    )
    return any(not isinstance(item, UnsupportedField) for items in fields for item in items or [None])


def _field(pointer: str) -> str:
    return field_name(pointer).replace("*", "NAME") if pointer != "/*" else "all others"


def _join(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _spec_with(pointer: str, value: Any) -> dict[str, Any]:
    """Return a spec in which only the value at a pointer is set; ``*`` is some name."""
    for key in reversed(split_pointer(pointer)):
        value = {"some_name" if key == "*" else key: value}
    return dict(value)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
