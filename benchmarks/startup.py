"""How long commands take to start, beside `import click` alone, in turn in one run.

    python benchmarks/startup.py [--rounds 15]

The last line is one JSON object: medians in seconds, and ratios to the import.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import click": ["-c", "import click"],
    "mlgit --help": ["-m", "reconciler", "--help"],
    "mlgit --version": ["-m", "reconciler", "--version"],
    "mlgit validate --help": ["-m", "reconciler", "validate", "--help"],
    "mlgit plan --help": ["-m", "reconciler", "plan", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(time) for name, time in times.items()}
    base = medians["import click"]
    for name, median in medians.items():
        print(f"{name:24} {median:6.3f} s  {median / base:5.2f} times import click")
    print(
        json.dumps(
            {name: {"s": round(median, 3), "ratio": round(median / base, 2)} for name, median in medians.items()}
        )
    )


if __name__ == "__main__":
    main()
