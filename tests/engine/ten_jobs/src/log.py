import sys

import mlflow_rest

mlflow_rest.log_metric(sys.argv[1], float(sys.argv[2]))
print(*sys.argv[1:])
