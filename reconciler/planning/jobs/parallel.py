"""Parallel nodes: a command step whose command is the arguments of an entry script, and how its input is divided.

Fields and defaults are those of Azure ML [AZ how-to-use-parallel-job-in-pipeline]. Some of them are arguments of the
script there (``--error_threshold 5``): they are taken out of the text, and all others reach the script.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.format.divided_tables import lists_files
from reconciler.format.expressions import parse_binding
from reconciler.format.pointers import find_value, join_pointer, split_pointer
from reconciler.model import Json, Spec, Step
from reconciler.model.parallel_work import FILES, ROWS, ParallelWork
from reconciler.planning.jobs.lowering import NodeProblem
from reconciler.planning.jobs.parallel_fields import PARALLEL_FIELDS, PLACES, parallel_places
from reconciler.planning.jobs.sources import Part, StepDraft

_TASK, _ARGUMENTS = "task", "program_arguments"
_FILE_NAME = "append_row_file_name"
_PREDEFINED = (
    *("error_threshold", "allowed_failed_percent", "task_overhead_timeout", "progress_update_timeout"),
    *("first_task_creation_timeout", "copy_logs_to_parent", "push_metrics_to_parent", "resource_monitor_interval"),
    _FILE_NAME,
)
_ARGUMENT = re.compile(
    rf"(?<!\S)--({'|'.join(_PREDEFINED)})(?:=|\s+)(\$\{{\{{.*?\}}\}}|\"[^\"]*\"|'[^']*'|[^\s\"'-]\S*|-\d\S*)"
)
_SIZE = re.compile(r"\s*(\d{1,18})\s*(b|kb|mb|gb|tb|)\s*", re.IGNORECASE)
_POWERS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4}
_FILE_TYPES = frozenset({"uri_folder", "uri_file"})
_TABLE_TYPE = "mltable"
_MAX_SECONDS = 259_200


class _Number(NamedTuple):
    """A number among the settings: the field of ``ParallelWork``, where a file says it, and what it may be."""

    name: str
    pointers: tuple[str, ...]
    low: float
    high: float = math.inf
    is_whole: bool = True

    @property
    def range(self) -> str:
        kind = "a whole number" if self.is_whole else "a number"
        return f"{kind} from {self.low:g}" + (f" to {self.high:g}" if self.high < math.inf else " on")


def _argument(name: str) -> str:
    return f"/{_ARGUMENTS}/{name}"


_NUMBERS = (
    _Number("max_retries", ("/retry_settings/max_retries",), 0),
    _Number("timeout", ("/retry_settings/timeout",), 1, _MAX_SECONDS),
    _Number("concurrency", ("/max_concurrency_per_instance",), 1),
    _Number("mini_batch_error_threshold", ("/mini_batch_error_threshold",), -1),
    _Number("error_threshold", (_argument("error_threshold"), "/error_threshold"), -1),
    _Number("allowed_failed_percent", (_argument("allowed_failed_percent"),), 0, 100, is_whole=False),
    _Number("task_overhead_timeout", (_argument("task_overhead_timeout"),), 1, _MAX_SECONDS),
    _Number("first_task_creation_timeout", (_argument("first_task_creation_timeout"),), 1, _MAX_SECONDS),
    _Number("progress_update_timeout", (_argument("progress_update_timeout"),), 1, _MAX_SECONDS),
)


def take_parallel_fields(draft: StepDraft, fields: dict[str, Part]) -> Mapping[str, Json]:
    """Take the fields of a parallel node out of those of its job, which gets code, environment and command of the task.

    Return them as a step has them (``Step.parallel``); their places are below ``/parallel``.
    """
    draft.spec["command"] = ""  # of a script without arguments
    taken = {name: fields.pop(name) for name in PARALLEL_FIELDS if name in fields}
    parts: dict[tuple[str, ...], Part] = {(name,): part for name, part in taken.items() if name != _TASK}
    arguments: Mapping[str, str] = {}
    if (task := taken.get(_TASK)) is not None:
        children = {name: part for name, part in task.children().items() if part.value is not None}
        fields |= {name: children.pop(name) for name in ("code", "environment") if name in children}
        if (text := children.pop(_ARGUMENTS, None)) is not None:
            arguments, rest = _split_arguments(str(text.value))
            fields["command"] = text._replace(value=rest)
            parts |= {(_ARGUMENTS, name): text._replace(value=value) for name, value in arguments.items()}
        parts |= {(_TASK, name): part for name, part in children.items()}
        draft.places[f"{PLACES}/{_TASK}"] = task.place
    parallel: dict[str, Json] = {}
    for keys, part in parts.items():
        holder = parallel if len(keys) == 1 else parallel.setdefault(keys[0], {})
        holder[keys[-1]] = part.value
        draft.places[f"{PLACES}{join_pointer(*keys)}"] = part.place
    return parallel


def divided_input(fields: Mapping[str, Json]) -> str:
    """Return the name of the input that a parallel step divides, "" if it names none."""
    return _bound_name(fields.get("input_data"), "inputs")


def is_divided_by_uri(spec: Spec, fields: Mapping[str, Json]) -> bool:
    """Return True if a step divides a table with mode: direct: it is brought, for no command opens it by its URI."""
    declared = spec.get("inputs", {}).get(divided_input(fields))
    return isinstance(declared, Mapping) and _type_of(declared) == _TABLE_TYPE and _is_direct(declared)


def _split_arguments(text: str) -> tuple[Mapping[str, str], str]:
    """Return the predefined arguments in a text with their values, and the rest of the text."""
    values = {match[1]: match[2].strip("\"'") for match in _ARGUMENT.finditer(text)}
    return values, _ARGUMENT.sub(" ", text).strip()


def find_parallel_problems(step: Step) -> Iterator[NodeProblem]:
    """Yield what of a parallel step cannot be run, at its place."""
    places = parallel_places(step)

    def problem(pointer: str, message: str, hint: str) -> NodeProblem:
        place = next((places[item] for item in _with_parents(pointer) if item in places), step.places[""])
        return NodeProblem(place, f"{step.path}: {message}", hint)

    fields = step.parallel or {}
    if not (fields.get(_TASK) or {}).get("entry_script"):
        yield problem(f"/{_TASK}", "its task has no entry_script", "name the script that has run(mini_batch)")
    size = fields.get("mini_batch_size")
    if size is not None and _parse_size(size) is None:
        hint = "write a number of files, or bytes such as 10kb"
        yield problem("/mini_batch_size", f"{size} is no mini_batch_size", hint)
    for number in _NUMBERS:
        pointer, value = _find_number(number, fields)
        if pointer and _parse_number(number, value) is None:
            name = ".".join(split_pointer(pointer))
            yield problem(pointer, f"{value} is no {name}", f"write {number.range}")
    file_name = str(find_value(fields, [_ARGUMENTS, _FILE_NAME]) or "")
    if "/" in file_name or file_name in (".", ".."):
        message = f"{file_name} is no name of a file (--{_FILE_NAME})"
        yield problem(_argument(_FILE_NAME), message, "write a name: the file is put into the folder of the output")
    message, hint = _find_input_problem(step, fields)
    if message:
        yield problem("/input_data", message, hint)
    message, hint = _find_keys_problem(step, fields)
    if message:
        yield problem("/partition_keys", message, hint)
    message, hint = _find_output_problem(step, (fields.get(_TASK) or {}).get("append_row_to"))
    if message:
        yield problem(f"/{_TASK}/append_row_to", message, hint)


def _with_parents(pointer: str) -> Iterator[str]:
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]


def _find_input_problem(step: Step, fields: Mapping[str, Json]) -> tuple[str, str]:
    """Return what is wrong with the input that is divided, and what to do; two empty texts for nothing."""
    name = divided_input(fields)
    declared = step.job.asset.spec.get("inputs", {}).get(name)
    if not name:
        return "input_data names no input", "write input_data: ${{inputs.NAME}}"
    if not isinstance(declared, Mapping):
        return f"input_data is {name}, which is no input with files", "name an input with a path:"
    type_name = _type_of(declared)
    if type_name not in {*_FILE_TYPES, _TABLE_TYPE}:
        message = f"mini-batches are made of files or of a table, and the input {name} has the type {type_name}"
        return message, "use an input of the type uri_folder or mltable"
    if _is_direct(declared):
        message = f"input_data needs files, and the input {name} with mode: direct is a URI"
        return message, "write mode: ro_mount, or leave it out"
    return "", ""


def _find_keys_problem(step: Step, fields: Mapping[str, Json]) -> tuple[str, str]:
    """Return what is wrong with the partition keys, and what to do; two empty texts for nothing."""
    keys, name = fields.get("partition_keys"), divided_input(fields)
    if keys is None:
        return "", ""
    texts = keys if isinstance(keys, Sequence) and not isinstance(keys, str) else []
    if not texts or not all(isinstance(key, str) and key and parse_binding(key) is None for key in texts):
        return "partition_keys names no columns", "write the names of columns: [store, brand]"
    declared = step.job.asset.spec.get("inputs", {}).get(name)
    type_name = _type_of(declared) if isinstance(declared, Mapping) else _TABLE_TYPE
    if type_name in _FILE_TYPES:
        message = f"partition_keys are columns of a table, and the input {name} has the type {type_name}"
        return message, "use an input of the type mltable, whose columns can be parts of the paths of its files"
    return "", ""


def _type_of(declared: Mapping[str, Json]) -> str:
    return str(declared.get("type") or "uri_folder").lower()


def _find_output_problem(step: Step, target: Json) -> tuple[str, str]:
    """Return what is wrong with the output that results are appended to, and what to do; empty texts for nothing."""
    name = _bound_name(target, "outputs")
    declared = step.job.asset.spec.get("outputs", {}).get(name)
    if target is not None and not isinstance(declared, Mapping):
        return f"append_row_to: {target} is no output", "write ${{outputs.NAME}}"
    if target is not None and _is_direct(declared):
        message = f"append_row_to needs a file, and the output {name} with mode: direct is a URI"
        return message, "write mode: upload, or leave it out"
    return "", ""


def _is_direct(declared: Mapping[str, Json]) -> bool:
    return str(declared.get("mode", "")).lower() == "direct"


def parallel_work(step: Step) -> ParallelWork | None:
    """Return how the input of a step without problems is worked on; None for a step that is not parallel."""
    if step.parallel is None:
        return None
    fields, task = step.parallel, step.parallel.get(_TASK) or {}
    found = {number.name: _parse_number(number, _find_number(number, fields)[1]) for number in _NUMBERS}
    given: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
    name = divided_input(fields)
    form = _form_of(step.job.asset.spec.get("inputs", {}).get(name))
    size, unit = _parse_size(fields.get("mini_batch_size")) or (1, "" if form else "files")
    if file_name := find_value(fields, [_ARGUMENTS, _FILE_NAME]):
        given["file_name"] = str(file_name)
    return ParallelWork(
        entry_script=str(task.get("entry_script")),
        input=name,
        output=_bound_name(task.get("append_row_to"), "outputs"),
        mini_batch_size=size,
        size_unit=unit,
        logging_level=str(fields.get("logging_level") or "INFO").upper(),
        partition_keys=tuple(fields.get("partition_keys") or ()),
        form=form,
        **given,
    )


def _form_of(declared: Json) -> str:
    """Return what the mini-batches of an input have if it is a table, as on Azure ML by its mode; "" if it is none."""
    if not isinstance(declared, Mapping) or _type_of(declared) != _TABLE_TYPE:
        return ""
    return FILES if lists_files(str(declared.get("mode", ""))) else ROWS


def _bound_name(value: Json, group: str) -> str:
    """Return the name of the input or output that a value is the expression of, "" for any other value."""
    expression = parse_binding(value)
    return ".".join(expression.path[1:]) if expression is not None and expression.path[0] == group else ""


def _find_number(number: _Number, fields: Mapping[str, Json]) -> tuple[str, Json]:
    """Return where a number is written and what is there; an argument comes before a field."""
    for pointer in number.pointers:
        value = find_value(fields, split_pointer(pointer))
        if value is not None:
            return pointer, value
    return "", None


def _parse_number(number: _Number, value: Json) -> float | int | None:
    try:
        parsed = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not number.low <= parsed <= number.high or (number.is_whole and not parsed.is_integer()):
        return None
    return int(parsed) if number.is_whole else parsed


def _parse_size(value: Json) -> tuple[int, str] | None:
    """Return a size of mini-batches, and whether it counts files or bytes; None for no size."""
    match = _SIZE.fullmatch(str(value)) if value is not None else None
    if match is None or not int(match[1]):
        return None
    unit = match[2].lower()
    return (int(match[1]) * 1024 ** _POWERS[unit], "bytes") if unit else (int(match[1]), "files")
