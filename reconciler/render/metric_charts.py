"""Charts of logged metrics for a terminal: the curves of several runs over one another.

The only module that uses plotille, which draws the lines with braille dots; ``cli._job_metrics`` loads it by name.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from plotille import Canvas, color

from reconciler.abbreviation import pluralize
from reconciler.render.sanitize import sanitize_line

Point = tuple[float, float]
Piece = list[Point]

_MARKS = "ox+*#@%&" + "".join(sorted({*string.ascii_letters} - {*"ox"}))
_COLOURS = ("cyan", "yellow", "magenta", "green", "red", "blue")
_HEIGHT, _LABEL_ROWS = 13, 4  # lines, and from one that has a number to the next
_MIN_WIDTH = 20  # columns
_MARK_COLUMNS, _MARK_SHIFT = 10, 3  # columns from a mark of a curve to its next one, and to that of the next curve
_DOTS_PER_COLUMN, _DOTS_PER_LINE = 2, 4  # of a braille character
_DIGITS, _MAX_DIGITS = 3, 8
_LARGEST, _SMALLEST = 1e300, 1e-300  # what is larger is not drawn: the length of the axis would be infinite
_FLAT = 1e-9  # numbers that differ by less than this part of them are drawn as equal
_LONG_STEP = 1e12
_BRAILLE = 0x2800
_NO_BLANKS = {_BRAILLE: " "}
_TO_ASCII = _NO_BLANKS | {_BRAILLE + dots: "." for dots in range(1, 256)}


class Curve(NamedTuple):
    """The values of a metric that a run has logged, with their steps: in the order of steps, then of time."""

    run: str
    values: Sequence[tuple[int, float]]


class _Scale(NamedTuple):
    """The numbers at the ends of an axis, and how far apart two dots of it are.

    It ``is_widened`` if all numbers are equal: they are in its middle.
    """

    low: float
    high: float
    dot: float
    is_widened: bool

    @property
    def end(self) -> float:
        """The number one dot beyond the axis."""
        return self.high + self.dot


def draw_chart(metric: str, curves: Sequence[Curve], width: int, *, braille: bool = True) -> str:
    """Return a chart of a metric with its legend, in colours; without ``braille`` in ASCII.

    A curve is interrupted where a value is not finite. The x axis is the step or, if several values have all the same
    step, the number of the value.
    """
    has_steps = len({step for curve in curves for step, _ in curve.values}) > 1
    unit = "step" if has_steps or all(len(curve.values) == 1 for curve in curves) else "value"
    pieces_by_curve = [list(_split_curve(_points(curve, unit))) for curve in curves]
    points = [point for pieces in pieces_by_curve for piece in pieces for point in piece]
    lines = _draw(pieces_by_curve, points, unit, width) if points else ["  (no finite value)"]
    lines = [sanitize_line(metric), *lines, *(_legend(position, curve) for position, curve in enumerate(curves))]
    text = "\n".join(lines).translate(_NO_BLANKS if braille else _TO_ASCII)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _points(curve: Curve, unit: str) -> Iterator[Point]:
    for number, (step, value) in enumerate(curve.values, 1):
        yield float(step if unit == "step" else number), value


def _split_curve(points: Iterator[Point]) -> Iterator[Piece]:
    """Yield the parts of a curve between values that cannot be drawn."""
    for is_drawable, piece in groupby(points, key=lambda point: all(abs(number) < _LARGEST for number in point)):
        if is_drawable:
            yield list(piece)


def _scale(numbers: Sequence[float], characters: int, dots: int, least_margin: float) -> _Scale:
    """Return the scale of an axis from the least to the greatest number; if they are equal, a little around them."""
    low, high = min(numbers), max(numbers)
    size = max(abs(low), abs(high))
    is_flat = high - low <= max(size * _FLAT, _SMALLEST)
    if is_flat:
        margin = max(size / 10, least_margin) if size > _SMALLEST else 1.0
        low, high = low - margin, high + margin
    return _Scale(low, high, (high - low) / (characters * dots - 1), is_flat)


def _draw(pieces_by_curve: Sequence[Sequence[Piece]], points: Sequence[Point], unit: str, width: int) -> list[str]:
    """Return the lines of a chart without its title and legend."""
    steps, values = zip(*points, strict=True)
    y_scale = _scale(values, _HEIGHT, _DOTS_PER_LINE, 0.0)
    labels = _y_labels(y_scale)
    label_width = max(map(len, labels))
    columns = max(width - label_width - len("  |"), _MIN_WIDTH)
    x_scale = _scale(steps, columns, _DOTS_PER_COLUMN, 1.0)
    canvas = Canvas(columns, _HEIGHT, x_scale.low, y_scale.low, x_scale.end, y_scale.end)
    for position, pieces in enumerate(pieces_by_curve):
        for piece in pieces:
            _draw_line(canvas, _downsample(piece, x_scale), _colour(position))
    for position, pieces in enumerate(pieces_by_curve):
        for x, y in _marked_points(pieces, x_scale, position):
            canvas.point(x, y, color=_colour(position), marker=_mark(position))
    body = canvas.plot(linesep="\n").split("\n")
    lines = [f" {label:>{label_width}} |{line}" for label, line in zip(labels, body, strict=True)]
    margin = " " * (label_width + 1)
    return [*lines, f"{margin} +{'-' * columns}", f"{margin}  {_x_labels(x_scale, unit, columns)}"]


def _y_labels(scale: _Scale) -> list[str]:
    """Return the numbers beside the lines of a chart, from the top; "" for most lines."""
    distance = (scale.high - scale.low) / (_HEIGHT - 1)
    digits = math.ceil(math.log10(max(abs(scale.low), abs(scale.high)) / distance / _LABEL_ROWS)) + 1
    digits = min(max(digits, _DIGITS), _MAX_DIGITS)
    numbers = [scale.high - distance * row for row in range(_HEIGHT - 1)] + [scale.low]
    is_near_zero = [abs(number) < distance * _FLAT for number in numbers]
    return [
        ("0" if zero else f"{number:.{digits}g}") if row % _LABEL_ROWS == 0 else ""
        for row, (number, zero) in enumerate(zip(numbers, is_near_zero, strict=True))
    ]


def _x_labels(scale: _Scale, unit: str, columns: int) -> str:
    """Return what is below the x axis: the numbers at its ends, or the only one."""
    first, last = (_format_step(number) for number in (scale.low, scale.high))
    if scale.is_widened:
        return f"{f'{unit} {_format_step((scale.low + scale.high) / 2)}':^{columns}}"
    return f"{first}{unit:^{max(columns - len(first) - len(last), len(unit) + 2)}}{last}"


def _format_step(number: float) -> str:
    return f"{number:.0f}" if abs(number) < _LONG_STEP else f"{number:.6g}"


def _downsample(piece: Piece, scale: _Scale) -> Iterator[Point]:
    """Yield the points of a curve; of many in one column of dots the first, the least, the greatest and the last."""
    for _, group in groupby(piece, key=lambda point: round((point[0] - scale.low) / scale.dot)):
        points = list(group)
        yield points[0]
        if len(points) > 1:
            yield min(points, key=lambda point: point[1])
            yield max(points, key=lambda point: point[1])
            yield points[-1]


def _draw_line(canvas: Canvas, points: Iterator[Point], colour: str) -> None:
    line = list(points)
    canvas.point(*line[0], color=colour)
    for start, end in pairwise(line):
        canvas.line(*start, *end, color=colour)


def _marked_points(pieces: Sequence[Piece], scale: _Scale, position: int) -> Iterator[Point]:
    """Yield the points of a curve that get its mark: all if they are few, else some at equal distances and the last."""
    distance = scale.dot * _DOTS_PER_COLUMN
    is_short = sum(map(len, pieces)) <= _MARK_COLUMNS
    next_mark = scale.low + distance * (position * _MARK_SHIFT % _MARK_COLUMNS)
    for piece in pieces:
        for point in piece:
            if is_short or point[0] >= next_mark:
                next_mark = point[0] + distance * _MARK_COLUMNS
                yield point
    if pieces:
        yield pieces[-1][-1]


def _mark(position: int) -> str:
    return _MARKS[position % len(_MARKS)]


def _colour(position: int) -> str:
    return _COLOURS[position % len(_COLOURS)]


def _legend(position: int, curve: Curve) -> str:
    mark = color(_mark(position), fg=_colour(position), mode="names")
    step, value = curve.values[-1]
    count = pluralize(len(curve.values), "value")
    undrawn = sum(not abs(number) < _LARGEST for _, number in curve.values)
    note = f", {undrawn} not finite" if undrawn else ""
    return f"  {mark} {sanitize_line(curve.run)}: {value:.6g} at step {step}, {count}{note}"
