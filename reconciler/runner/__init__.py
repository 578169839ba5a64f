"""The runner executes one run of a job on the machine that the backend chose.

A backend copies it there as one file (`zipapp.build_zipapp`) and starts ``python -I runner.pyz spec.json``. So it uses
the standard library only, imports nothing else of mlgit, and every import inside it is relative. Its modules, in the
order of a run::

    main         the steps: reserve the token, stage, execute, write the result
    spec         spec.json, parsed and checked once
    files        atomic JSON files, and the token file
    workdir      code, inputs and outputs, staged in the folder of the run
    command      ${{inputs.x}} and ${{outputs.x}} -> words of a shell command
    layer        a layer over each virtual environment: jobs cannot change what they share
    environment  the environment variables of the command: an allow-list, and what Azure ML sets
    parallel_step the program of a parallel step, copied beside the run and started
    parallel/    that program: mini-batches, and the processes that work on them; any Python from 3.8 on
    distribution the processes of a distributed job, and the variables of each
    mpi          mpirun and its daemons, of a job with MPI
    mpi_rank     what mpirun starts: one process of the job, with its log and its end
    ray_cluster  the Ray cluster of a job: ray_node on each instance, and ray_command, which waits for all
    process      the processes of the command and what they start: timeout, cancel
    monitor      what happens meanwhile: requests to stop, ends of processes; the heartbeat
    instances    the runners of a job on several machines, and the files by which they know of each other
    instance_start what starts one of them, or ends what its killed runner has left
    leader       the first one: tells the others what to start, and ends the run once
    follower     another one: runs its processes of the job
    ray_driver   all of them on nodes of Ray: finds Ray's Python, and starts ray_launcher in it
    container    outside of a container: start it, wait for the runner in it, remove it
    ports        free ports of the machine
    prefixed_log the output of several processes in one log
    descendants  the processes of a run, in whatever session they are
    tracking/    the MLflow tracking protocol, answered here or by another server
    artifacts    ./outputs, ./logs and logged files, kept as the output that every job has
    result       how the run ended: values, messages, result.json
    next_run     the runs that wait for what a run had, started at its end
    modules      those of these that few runs need
    zipapp       this package as one file
"""
