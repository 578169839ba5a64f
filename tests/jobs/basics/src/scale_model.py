"""Multiply a line by a factor."""

import argparse
import json
import pathlib

parser = argparse.ArgumentParser()
for name in ("--fitted", "--scaled"):
    parser.add_argument(name, type=pathlib.Path)
parser.add_argument("--factor", type=int)
arguments = parser.parse_args()
line = json.loads((arguments.fitted / "line.json").read_text())
scaled = {name: value * arguments.factor for name, value in line.items()}
(arguments.scaled / "line.json").write_text(json.dumps(scaled))
