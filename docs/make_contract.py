"""Write the table of docs/backends.md from the results of the contract tests: ``make contract`` runs both.

Usage: ``make_contract.py RESULTS.xml``, where pytest has written the results with ``--junitxml``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

PAGE = Path(__file__).with_name("backends.md")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from backend_behaviours import BEHAVIOURS  # noqa: E402 - found in the folder of the tests

from reconciler.backends import BACKENDS  # noqa: E402

BEGIN, END = "<!-- written by make contract -->", "<!-- end -->"
Outcomes = Mapping[tuple[int, str], bool]
"""Whether all tests of a behaviour passed, by its number and the backend."""


def read_outcomes(path: Path) -> Outcomes:
    """Return the outcomes of the tests in a file of results; a test that was skipped has none."""
    passed: dict[tuple[int, str], bool] = defaultdict(lambda: True)
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - pytest has written it
        properties = {item.get("name"): item.get("value", "") for item in case.iter("property")}
        if "behaviour" not in properties or case.find("skipped") is not None:
            continue
        has_passed = case.find("failure") is None and case.find("error") is None
        passed[int(properties["behaviour"]), properties["backend"]] &= has_passed
    return passed


def rows(outcomes: Outcomes) -> Iterator[str]:
    """Yield the lines of the table."""
    names = BACKENDS.names()
    yield "| | every backend | " + " | ".join(f"`{name}`" for name in names) + " |"
    yield "| --- " * (len(names) + 2) + "|"
    for number, sentence in BEHAVIOURS.items():
        cells = [{True: "yes", False: "no", None: "not tested"}[outcomes.get((number, name))] for name in names]
        yield f"| {number} | {sentence} | {' | '.join(cells)} |"


def main() -> None:
    """Write the table between the marks of the page."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    table = "\n".join(rows(read_outcomes(Path(sys.argv[1]))))
    PAGE.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
