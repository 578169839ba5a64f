"""Tables: what CSV, Parquet and JSON lines hold, how two of them differ, and the tables that files MLTable define.

Only the process that reads them (`tables.worker`) imports pyarrow, the extra ``tables``: it reads what others wrote,
within limits of memory and time.
"""
