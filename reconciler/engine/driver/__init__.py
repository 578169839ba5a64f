"""The driver of pipelines and sweeps: a process that executes a frozen graph, step by step.

It reads the frozen graph and the store, never Git, files or the live state. What it decides is an event in the store
before it happens, so that the next driver, on any machine, goes on from there.
"""
