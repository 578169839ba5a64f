import sys
from pathlib import Path

title, *sources, target = sys.argv[1:]
texts = [file.read_text() for source in sources for file in sorted(Path(source).iterdir())]
(Path(target) / "report.txt").write_text("\n".join([title, *texts]))
print(title, len(texts))
