import json
import os
import sys
import time
import urllib.request
from pathlib import Path

data, x, model = sys.argv[1:]
time.sleep(0)


def log_metric(key, value):
    """Log a metric as MLflow does, which need not be installed for this."""
    fields = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "timestamp": 0, "step": 0}
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric"
    request = urllib.request.Request(url, json.dumps(fields).encode(), headers)  # noqa: S310 - a loopback address
    urllib.request.urlopen(request).close()  # noqa: S310 - the same


log_metric("score", float(x))
(Path(model) / "model.txt").write_text(x)
