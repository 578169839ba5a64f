"""The program of a parallel step: it divides an input into mini-batches and hands them to worker processes.

The runner copies this package into the folder of a run and starts it with the Python of the job's environment, which
can be older than that of the runner: Python 3.8 is enough. It uses the standard library only; tables are read by
packages of that environment, and a DataFrame that a script returns brings its own methods. One process, the controller,
owns all decisions; workers load the entry script::

    settings  settings.json, which the runner writes
    batches   the files of the input, in order, and the mini-batches of them
    row_batches  the mini-batches of the rows of a table, as files that the workers read
    frames    the rows of a table of MLTable, by pandas of the job's environment
    partitions  columns that are parts of paths
    text_tables, text_types  delimited text and JSON lines, as mlgit itself reads them, too
    pool      the controller: workers that are started, given mini-batches, timed, and replaced
    worker_process  a worker as the controller has it: a process of this machine
    other_instance  the same for the workers of another instance of the run
    instance  another instance, which starts workers as the controller tells
    exchange  the messages between the two, in files that all machines see
    worker    one worker: init(), run(mini_batch), shutdown() of the entry script
    rows      what run() returned, in a file for each mini-batch, and all of them in the order of the input
    report    what a person sees: lines of the log, metrics, and why the step failed
    main      the two commands: an instance, of which the first has the controller, and a worker
"""
