"""An MLflow registry that runs and model versions are mirrored into, by MLflow's REST API."""
