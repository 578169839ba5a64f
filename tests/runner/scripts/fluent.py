"""Uses the functions of MLflow that training scripts use; runs with every supported client."""

import mlflow
from mlflow import MlflowClient

mlflow.set_experiment("a name of the script's own")
mlflow.log_metric("plain", 1)  # no start_run: this is the run of MLFLOW_RUN_ID
main = mlflow.active_run()
assert main is not None
assert main.info.run_id == "train-1a2b3c4d"

for step in range(5):
    mlflow.log_metrics({"loss": 1 / (step + 1), "odd": float("nan")}, step=step)
mlflow.log_param("lr", 0.1)
mlflow.log_params({"epochs": 5, "kind": "größer"})
mlflow.set_tag("team", "irises")
mlflow.set_tags({"stage": "trial"})
mlflow.log_text("hello", "notes/hello.txt")
mlflow.log_text("", "notes/empty.txt")
mlflow.log_dict({"a": [1, 2]}, "a name with blanks.json")

with mlflow.start_run(nested=True, run_name="child") as child:
    mlflow.log_metric("loss", 100)
    mlflow.log_param("lr", 7)
    mlflow.log_text("child's", "own.txt")

client = MlflowClient()
run = client.get_run("train-1a2b3c4d")
assert run.data.metrics["loss"] == 0.2, run.data.metrics
assert run.data.params == {"lr": "0.1", "epochs": "5", "kind": "größer"}, run.data.params
assert client.get_run(child.info.run_id).info.status == "FINISHED"
assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == "train-1a2b3c4d"
assert [metric.step for metric in client.get_metric_history("train-1a2b3c4d", "loss")] == [0, 1, 2, 3, 4]
assert [artifact.path for artifact in client.list_artifacts("train-1a2b3c4d")] == ["a name with blanks.json", "notes"]
assert [artifact.path for artifact in client.list_artifacts("train-1a2b3c4d", "notes")] == [
    "notes/empty.txt",
    "notes/hello.txt",
]
assert mlflow.artifacts.load_text(f"runs:/{child.info.run_id}/own.txt") == "child's"

matches = client.search_runs(["0"], "metrics.loss > 50 and tags.mlflow.parentRunId = 'train-1a2b3c4d'")
assert [match.info.run_id for match in matches] == [child.info.run_id], matches
sorted_runs = client.search_runs(["0"], order_by=["metrics.loss ASC"])
assert [match.data.metrics["loss"] for match in sorted_runs] == [0.2, 100.0], sorted_runs
named = client.search_runs(["0"], "attributes.run_name IN ('child', 'other')")
assert [match.info.run_id for match in named] == [child.info.run_id], named

client.create_registered_model("iris")
source = mlflow.get_artifact_uri("notes")
assert client.create_model_version("iris", source, run_id=run.info.run_id).version in {1, "1"}
client.set_registered_model_alias("iris", "best", "1")
assert client.get_model_version_by_alias("iris", "best").source == source
assert client.get_model_version_download_uri("iris", "1") == source
assert [model.name for model in client.search_registered_models("name = 'iris'")] == ["iris"]
message = ""
try:
    mlflow.log_param("lr", 0.2)
except mlflow.exceptions.MlflowException as error:
    message = str(error)
assert "'0.1'" in message, "a parameter was changed"
mlflow.end_run()
