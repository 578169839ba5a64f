"""Uses what training scripts log beside metrics and parameters: tables, figures, images, models that are registered."""

import pathlib

import matplotlib as mpl
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

mpl.use("Agg")
import matplotlib.pyplot as plt

for step in range(3):
    mlflow.log_metric("loss", 1 / 2**step, step=step)
mlflow.log_metrics({"number": np.float32(1.5), "array": np.array(2.0), "infinite": float("inf")})
mlflow.log_figure(plt.figure(), "figures/plot.png")
mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "picture.png")
mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="picture", step=1)
mlflow.log_table({"a": [1, 2]}, "table.json")
mlflow.log_table({"a": [3]}, "table.json")
run_id = mlflow.active_run().info.run_id
assert len(mlflow.load_table("table.json", run_ids=[run_id])) == 3
pathlib.Path("folder/inner").mkdir(parents=True)
pathlib.Path("folder/inner/a.txt").write_text("a")
mlflow.log_artifacts("folder", "folder")
mlflow.log_artifact("folder/inner/a.txt")
mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1.0]}), name="rows"), context="training")
mlflow.set_tags({"team": "irises", "mlflow.note.content": "a note"})

measures = np.array([[0.0, 1.0], [1.0, 0.0], [0.9, 0.1], [0.1, 0.9]])
model = LogisticRegression().fit(measures, [0, 1, 1, 0])
options = {"pip_requirements": ["scikit-learn", "skops"]}
mlflow.sklearn.log_model(model, name="first", **options)
registered = mlflow.sklearn.log_model(model, name="second", registered_model_name="iris", **options)
assert str(registered.registered_model_version) == "1"
assert str(mlflow.register_model(registered.model_uri, "iris").version) == "2"
assert list(mlflow.sklearn.load_model("models:/iris/1").predict(measures)) == [0, 1, 1, 0]

client = mlflow.MlflowClient()
assert [metric.value for metric in client.get_metric_history(run_id, "loss")] == [1.0, 0.5, 0.25]
matches = mlflow.search_runs(
    filter_string="metrics.loss <= 0.25 and tags.team LIKE 'iris%' and attributes.run_id IN ('" + run_id + "')",
    order_by=["metrics.loss DESC", "start_time ASC"],
)
assert list(matches["run_id"]) == [run_id]
mlflow.end_run()
