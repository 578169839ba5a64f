"""Add the rain of all files of a folder."""

import pathlib
import sys

folder, _, target = sys.argv[1:]
lines = [line for path in sorted(pathlib.Path(folder).glob("*.csv")) for line in path.read_text().splitlines()[1:]]
pathlib.Path(target).write_text(str(sum(int(line.partition(",")[2]) for line in lines)))
