"""Test a classifier with flowers that its training has not seen, and write what came of it as JSON."""

import argparse
import json
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.metrics import classification_report


def main() -> None:
    """Load the model, predict, log the metrics and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of an MLflow model")
    parser.add_argument("--data", type=Path, required=True, help="CSV file: four measures and the species")
    parser.add_argument("--report", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args()
    flowers = pd.read_csv(args.data)
    model = mlflow.sklearn.load_model(str(args.model))
    predicted = model.predict(flowers.drop(columns="species"))
    report = classification_report(flowers["species"], predicted, output_dict=True)
    mlflow.log_metrics({"test_accuracy": report["accuracy"], "test_f1": report["macro avg"]["f1-score"]})
    args.report.write_text(json.dumps(report, indent=2))
    print(f"accuracy {report['accuracy']:.3f} with {len(flowers)} flowers")


if __name__ == "__main__":
    main()
