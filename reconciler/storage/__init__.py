"""The object store: files and folders by content. Only ``object_store`` imports dvc, which is slow to load."""
