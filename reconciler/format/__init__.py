"""Documents to assets: YAML with positions, schemas, references, and what each kind means. Pure."""
