"""Split a table of flowers into two: one to train with, and one that only the evaluation sees."""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split


def main() -> None:
    """Read the table, split it, write both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CSV file: four measures and the species")
    parser.add_argument("--test-share", type=float, required=True, help="share of the flowers to test with")
    parser.add_argument("--train", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--test", type=Path, required=True, help="CSV file to write")
    args = parser.parse_args()
    flowers = pd.read_csv(args.data)
    train, test = train_test_split(flowers, test_size=args.test_share, stratify=flowers["species"], random_state=0)
    train.to_csv(args.train, index=False)
    test.to_csv(args.test, index=False)
    print(f"{len(train)} flowers to train with, {len(test)} to test with")


if __name__ == "__main__":
    main()
