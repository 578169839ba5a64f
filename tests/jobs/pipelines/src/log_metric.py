"""Log a metric as MLflow does, which need not be installed for this, and keep the value as the model."""

import json
import os
import pathlib
import sys
import urllib.request

value, model = float(sys.argv[1]), pathlib.Path(sys.argv[2])
fields = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "error", "value": (value - 2) ** 2, "timestamp": 0, "step": 0}
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
url = f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(fields).encode(), headers)).close()  # noqa: S310
(model / "value.txt").write_text(str(value))
