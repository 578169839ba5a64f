"""Write what shops sold as a table of a file for each shop and brand."""

import pathlib
import sys

SALES = [("oslo", "a", 3), ("oslo", "b", 4), ("bern", "a", 5), ("oslo", "a", 6)]
folder = pathlib.Path(sys.argv[1])
for number, (store, brand, sold) in enumerate(SALES):
    file = folder / store / brand / f"{number}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"day,sold\n1,{sold}\n2,{10 * sold}\n")
(folder / "MLTable").write_text(
    """paths:
  - pattern: ./**/*.csv
transformations:
  - read_delimited: {delimiter: ",", header: all_files_same_headers, include_path_column: true}
  - extract_columns_from_partition_format: {partition_format: "{store}/{brand}/{file}.{kind}"}
  - drop_columns: [Path, file, kind]
"""
)
