"""Where everything is put together: a workspace opened, its files judged, planned and applied.

The command line, the controller and programs of one's own (docs/library.md) call the same functions. Nothing here
prints: a session tells its ``judge`` what is wrong in the files and its ``note`` what else is worth knowing.
"""
