"""Train an iris classifier: an ordinary script, it knows nothing of where it runs.

Parameters and metrics go through plain MLflow calls: whoever runs the script has set MLFLOW_TRACKING_URI.
"""

import argparse
from pathlib import Path

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

# Written down with the model, so that whoever loads it knows what it needs.
NEEDS = {"dependencies": ["python", "pip", {"pip": ["mlflow-skinny", "pandas", "scikit-learn", "skops"]}]}


def main() -> None:
    """Read the data, train, save the model."""
    args = parse_arguments()
    mlflow.log_params({"lr": args.lr, "epochs": args.epochs})
    model = train(pd.read_csv(args.data), args.lr, args.epochs)
    mlflow.sklearn.save_model(model, args.out, serialization_format="skops", conda_env=NEEDS)
    print(f"saved the model in {args.out}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CSV file: four measures and the species")
    parser.add_argument("--lr", type=float, required=True, help="learning rate")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the MLflow model")
    return parser.parse_args()


def train(flowers: pd.DataFrame, lr: float, epochs: int) -> Pipeline:
    """Fit a linear classifier step by step, and log how it does on a quarter of the flowers that it never saw."""
    measures, species = flowers.drop(columns="species"), flowers["species"]
    x_train, x_test, y_train, y_test = train_test_split(
        measures, species, test_size=0.25, stratify=species, random_state=0
    )
    scaler = StandardScaler().fit(x_train)
    classifier = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=lr, random_state=0)
    model = Pipeline([("scale", scaler), ("classify", classifier)])
    for epoch in range(1, epochs + 1):
        classifier.partial_fit(scaler.transform(x_train), y_train, classes=sorted(species.unique()))
        loss = log_loss(y_test, model.predict_proba(x_test))
        accuracy = model.score(x_test, y_test)
        mlflow.log_metrics({"loss": loss, "accuracy": accuracy}, step=epoch)
        if epoch == 1 or epoch % 50 == 0:
            print(f"epoch {epoch:3d}: loss {loss:.3f}, accuracy {accuracy:.3f}")
    return model


if __name__ == "__main__":
    main()
