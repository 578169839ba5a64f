import pathlib

import mlflow_rest

mlflow_rest.call("log-parameter", key="layers", value="3")
mlflow_rest.call("set-tag", key="source", value="tests")
for step in range(3):
    mlflow_rest.log_metric("loss", 1 / (step + 1), step)
mlflow_rest.log_metric("accuracy", 0.75)
pathlib.Path("outputs/curve.csv").write_text("0,1\n1,0.5\n")
pathlib.Path("logs/own.txt").write_text("done\n")
print("logged")
