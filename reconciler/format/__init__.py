"""Azure ML YAML files to assets: parsing, JSON schemas, references, rules and the traits of each kind; pure."""
