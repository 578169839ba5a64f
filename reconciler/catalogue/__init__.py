"""The curated environments of Azure ML as mlgit makes them: one YAML file for each, read when it is looked up; pure."""
