import sys
from pathlib import Path

BIAS = 1

rate, source, target = sys.argv[1:]
weight = BIAS + float(rate) * sum(int(line) for line in (Path(source) / "numbers.csv").read_text().split())
(Path(target) / "weight.txt").write_text(str(weight))
print("weight", weight)
