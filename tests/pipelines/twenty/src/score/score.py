import sys
from pathlib import Path

from rounding import DIGITS

model, source, target = sys.argv[1:]
weight = float((Path(model) / "weight.txt").read_text())
numbers = [int(line) for line in (Path(source) / "numbers.csv").read_text().split()]
score = round(sum(numbers) / weight, DIGITS)
(Path(target) / "score.txt").write_text(str(score))
print("score", score)
