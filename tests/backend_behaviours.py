"""The contract of backends as a numbered list: docs/backends.md shows it, and each number has a test.

A number keeps its meaning. The list can grow at its end, and is never shortened.
"""

from __future__ import annotations

BEHAVIOURS = {
    1: "A run goes from submitted to completed; its result has its token and its name, and its log what it printed.",
    2: "A command that fails is a failure of the user's code, with its exit code.",
    3: "A command that a signal ends is a failure with the name of the signal; one without a name has its number.",
    4: "A run that exceeds its time limit fails with the class timeout, and none of its processes goes on.",
    5: "Cancel stops the whole tree of processes, those too that ignore SIGTERM.",
    6: "Cancel stops a run that was just submitted.",
    7: "Cancel changes nothing of a run that has ended, or that never was.",
    8: "Cancel stops processes that have left the session of the command (setsid).",
    9: "Processes in the background are stopped when the command ends, in whatever session they are.",
    10: "The log is read while the run goes on, from any byte on, and followed to the end of the run.",
    11: "The log has the bytes that were written: every character, and bytes that are no text.",
    12: "A log of 10 MB is complete.",
    13: "Two runs go on at once.",
    14: "A run that finds no free slot waits, says for what, and starts when the slot is free.",
    15: "A run whose runner was killed is gone, and cancel leaves none of its processes.",
    16: "A run that is gone is not started again by a second submission of its token.",
    17: "A run is found by its token, while it goes on and when it has ended; none is found by another token.",
    18: "A task that is submitted twice is executed once.",
    19: "A run whose submitter was killed is found by its token in another process, and goes on.",
    20: "The conditions of 500 runs are returned by one call, each with its own.",
    21: "A handle is recorded as JSON and read back as it was; a result matches its schema.",
    22: "The command finds its code and its inputs, and its outputs are collected into the store.",
    23: "An output of a file type is collected as a file.",
    24: "What the command writes to ./outputs is kept as an output of the run.",
    25: "A job that writes to its inputs changes nothing in the store.",
    26: "Metrics that a script logs to the tracking endpoint are one JSON object a line, and in the result.",
    27: "The command sees the variables of its environment and its job, and none of who submits it.",
    28: "A package that the job installs with pip is there for the rest of this run, and for no other run.",
    29: "All files of a run belong to the user who submitted it.",
    30: "Files of a run that were removed are an error that says so, and a run without its folder is gone.",
    31: "Code and inputs with another sha256 than was recorded start no run, and the right bytes do afterwards.",
}
