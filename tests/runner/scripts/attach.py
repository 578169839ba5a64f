"""Starts a run as most scripts do: it is the one of the job, in the experiment of the job."""

import os

import mlflow

with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
assert run.info.run_id == os.environ["AZUREML_RUN_ID"]  # MLflow takes MLFLOW_RUN_ID out of the environment
named = mlflow.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
assert named is not None
assert named.experiment_id == run.info.experiment_id == os.environ["MLFLOW_EXPERIMENT_ID"]
assert mlflow.get_experiment(run.info.experiment_id).name == "irises"
assert mlflow.get_run(run.info.run_id).data.tags["mlflow.source.git.commit"] == "f" * 40
mlflow.set_experiment(os.environ["AZUREML_EXPERIMENT_NAME"])
