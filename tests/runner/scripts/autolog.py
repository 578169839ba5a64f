"""Uses autologging, and logs and loads a model."""

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.linear_model import LogisticRegression

mlflow.sklearn.autolog(log_models=False)
flowers = pd.read_csv("iris.csv")
measures, species = flowers.drop(columns="species"), flowers["species"]
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=500).fit(measures, species)
    info = mlflow.sklearn.log_model(model, name="iris", pip_requirements=["scikit-learn", "skops"])
assert run.info.run_id == "train-1a2b3c4d"
assert mlflow.get_logged_model(info.model_id).status == "READY"
loaded = mlflow.sklearn.load_model(info.model_uri)
assert list(loaded.predict(measures)) == list(model.predict(measures))
