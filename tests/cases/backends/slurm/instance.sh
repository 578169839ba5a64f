#!/bin/sh
# One of the instances of a run but the first one, on the node that Slurm has chosen for it.
trap : TERM
number=$((SLURM_PROCID + 1))
address=$(scontrol --oneliner show node "$SLURMD_NODENAME" | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p')
/usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --step "$SLURM_JOB_ID" "$number" "${address:-$SLURMD_NODENAME}" 0 '/shared/it'"'"'s $(id) "%j" #/spec.json'
code=$?
[ "$code" -lt 128 ] || /usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --end-instance "$SLURM_JOB_ID" "$number" - 0 '/shared/it'"'"'s $(id) "%j" #/spec.json'
exit "$code"
