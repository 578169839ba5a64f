#!/bin/sh
#SBATCH --job-name=<digest>
#SBATCH --comment="a #SBATCH --uid=0   --wrap=x \"b\" 'c' $(id) `id` \\ # %j"
#SBATCH --chdir="/shared/it's $(id) \"%j\" #"
#SBATCH --output="/shared/it's $(id) \"%%j\" #/slurm.log"
#SBATCH --open-mode=append
#SBATCH --export=ALL
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --no-requeue
# Slurm, and mlgit by a file, ask this shell to stop, which asks the runner; if it was Slurm, it says why, which it
# forgets within minutes. If this shell is killed, the runner stops, in a session of its own, which Slurm may not see.
# What a killed runner leaves is ended last.
# A job that is begun again has lost its run, which has another one then.
[ -z "$SLURM_RESTART_COUNT" ] || { echo "Restarts=$SLURM_RESTART_COUNT" > '/shared/it'"'"'s $(id) "%j" #/slurm-stop.txt'; exit 1; }
runner= stopped=
stop() { stopped=1; [ -z "$runner" ] || kill -TERM "$runner"; }
trap stop TERM
/usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --apart '/shared/it'"'"'s $(id) "%j" #/spec.json' &
runner=$!
[ -z "$stopped" ] && [ ! -e '/shared/it'"'"'s $(id) "%j" #/cancel' ] || stop
wait "$runner"; code=$?
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; code=$?; done
[ -z "$stopped" ] || [ -e '/shared/it'"'"'s $(id) "%j" #/cancel' ] || scontrol --oneliner show job "$SLURM_JOB_ID" > '/shared/it'"'"'s $(id) "%j" #/slurm-stop.txt'
[ "$code" -lt 128 ] || /usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --end '/shared/it'"'"'s $(id) "%j" #'
exit "$code"
