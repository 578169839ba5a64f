"""Log a parameter, a metric in two steps, a tag and a file."""

import mlflow

mlflow.log_param("language", "english")
for step, value in enumerate((0.5, 0.75)):
    mlflow.log_metric("kindness", value, step=step)
mlflow.set_tag("tone", "friendly")
mlflow.log_text("good day", "greeting.txt")
