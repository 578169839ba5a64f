"""Add up what each shop sold of each brand."""

import pandas as pd


def run(mini_batch, mini_batch_context):
    row = {**mini_batch_context.partition_key_value, "sold": mini_batch["sold"].sum(), "rows": len(mini_batch)}
    assert list(mini_batch.columns) == ["day", "sold", "store", "brand"]
    return pd.DataFrame([row])
