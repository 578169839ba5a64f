import os
import pathlib
import sys

names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK")
words = " ".join(f"{name}={os.environ[name]}" for name in names)
(pathlib.Path(sys.argv[1]) / f"rank-{os.environ['RANK']}.txt").write_text(f"{words}\n")
print(words)
