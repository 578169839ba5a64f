"""Columns that are parts of the paths of files, by the format of ``extract_columns_from_partition_format``."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

from .text_tables import TableError

_PLACEHOLDER = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}|(\*+)")
_ENDS = re.compile(r"^(\./)?/*|/+$")  # a format begins and ends within the folders of a path
_TIME_PARTS = re.compile(r"yyyy|MM|dd|HH|mm|ss")
_DIRECTIVES = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


class PartitionFormat(NamedTuple):
    """The columns of a format with the strptime format of those that are times, and the patterns of a whole path.

    The first pattern is for paths that end as the format does, the second one for those that go on below a folder.
    """

    text: str
    columns: dict[str, str]
    patterns: tuple[re.Pattern[str], ...]

    def extract(self, path: str) -> dict[str, Any]:
        """Return the values of the columns for a path from the folder of the table; raises TableError for another."""
        for pattern in self.patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                try:
                    values = zip(self.columns.items(), match.groups())  # noqa: B905 - Python 3.8 has no strict
                    return {name: _parse_time(text, form) if form else text for (name, form), text in values}
                except ValueError:
                    break
        raise TableError(f"the file {path} of the table does not match partition_format: {self.text}")


def parse_partition_format(arguments: Any) -> PartitionFormat:
    """Return the format such as ``{store}/{day:yyyy/MM/dd}/data.csv`` of a step; raises TableError without a column."""
    text = _ENDS.sub("", str((arguments or {}).get("partition_format", "")))
    columns: dict[str, str] = {}
    pattern, end = "", 0
    for match in _PLACEHOLDER.finditer(text):
        pattern += re.escape(text[end : match.start()])
        end = match.end()
        name, time_format, _ = match.groups()
        if name is None:
            pattern += "[^/]*"
        elif name in columns:
            raise TableError(f"partition_format: {text} has the column {name} twice")
        else:
            columns[name] = _strptime_format(time_format) if time_format else ""
            pattern += f"({_time_pattern(time_format)})" if time_format else "([^/]+)"
    pattern += re.escape(text[end:])
    if not columns:
        raise TableError(f"partition_format: {text} has no column in braces")
    return PartitionFormat(text, columns, (re.compile(f"(?:.*/)?{pattern}"), re.compile(f"(?:.*?/)??{pattern}/.*")))


def _strptime_format(time_format: str) -> str:
    return _TIME_PARTS.sub(lambda match: _DIRECTIVES[match[0]], time_format.replace("%", "%%"))


def _time_pattern(time_format: str) -> str:
    return re.sub("[yMdHms]", "[0-9]", re.escape(time_format))


def _parse_time(text: str, form: str) -> dt.datetime:
    return dt.datetime.strptime(text, form)  # noqa: DTZ007 - a path says no zone
