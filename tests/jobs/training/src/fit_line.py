"""Fit a line with scikit-learn; MLflow records the parameters, a metric, and the model."""

import argparse
import csv
import pathlib

import mlflow
from sklearn.linear_model import Ridge

parser = argparse.ArgumentParser()
parser.add_argument("--rainfall", type=pathlib.Path)
parser.add_argument("--alpha", type=float)
parser.add_argument("--fitted")
arguments = parser.parse_args()

with arguments.rainfall.open(encoding="utf-8") as file:
    rows = [(int(row["month"]), int(row["mm"])) for row in csv.DictReader(file)]
mlflow.sklearn.autolog(serialization_format="pickle")
months, rainfall = [[month] for month, _ in rows], [mm for _, mm in rows]
model = Ridge(alpha=arguments.alpha).fit(months, rainfall)
mlflow.sklearn.save_model(model, arguments.fitted, serialization_format="pickle", pip_requirements=["scikit-learn"])
print("the slope is negative:", model.coef_[0] < 0)
