"""Say what a job can know of the repository that it was started from: its files have no history."""

import os

print("no repository around", len(os.environ["AZUREML_RUN_ID"]) > 0)
