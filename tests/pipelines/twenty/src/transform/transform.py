import operator
import os
import sys
from pathlib import Path

OFFSET = int(os.environ.get("OFFSET", "0"))

how, factor, *sources, target = sys.argv[1:]
rows = [[int(line) for line in (Path(source) / "numbers.csv").read_text().split()] for source in sources]
numbers = {
    "sort": lambda: sorted(rows[0]),
    "scale": lambda: [int(factor) * number for number in rows[0]],
    "shift": lambda: [int(factor) + OFFSET + number for number in rows[0]],
    "add": lambda: list(map(operator.add, *rows)),
}[how]()
(Path(target) / "numbers.csv").write_text("".join(f"{number}\n" for number in numbers))
print(how, numbers)
