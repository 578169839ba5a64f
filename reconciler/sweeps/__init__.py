"""Sweeps: the points that trials get, which trials are stopped, and which one is best.

All of it are functions of the fields of a sweep, of the trials that are recorded, and of the token of the run: whoever
asks again, after a crash or on another machine, gets the same answer. Nothing is stored here. Optuna (bayesian) and
SciPy (Sobol sequences) are extras, loaded by name when a sweep needs them.
"""
