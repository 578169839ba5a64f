"""Where bytes are kept: ``store`` is the object store, the only home of dvc; import it where content is needed."""
