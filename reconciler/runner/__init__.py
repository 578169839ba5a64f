"""What executes one run of a job, anywhere: the part of mlgit that travels to the machine that works.

It is sent to a backend as one file (``ship.archive()``) and started as ``python -I runner.pyz spec.json``. So it needs
the standard library only, imports nothing else of ours, and every import inside it is relative. The way of a run::

    main         the sequence: claim, stage, run, conclude
    spec         spec.json, read once at the boundary
    records      files that are whole or absent: the claim, the heart beat, every JSON record
    staging      code, inputs and outputs, laid out in the run's folder
    command      ${{inputs.x}} and ${{outputs.x}} -> words of a shell command
    environment  the variables that the command sees: an allow-list
    process      the command in its own process group: heart beat, timeout, cancel
    tracking/    the MLflow tracking protocol, answered here or by a server elsewhere
    result       how it went, as a value and in plain words
    ship         this package as one file
"""
