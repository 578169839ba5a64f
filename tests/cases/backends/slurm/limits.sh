#!/bin/sh
#SBATCH --job-name=<digest>
#SBATCH --comment=job/train
#SBATCH --chdir=/shared/mlgit/runs/train-########
#SBATCH --output=/shared/mlgit/runs/train-########/slurm.log
#SBATCH --open-mode=append
#SBATCH --export=ALL
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --time=66
#SBATCH --cpus-per-task=2
#SBATCH --mem=3072M
#SBATCH --gres=gpu:2
#SBATCH --no-requeue
# Slurm, and mlgit by a file, ask this shell to stop, which asks the runner; if it was Slurm, it says why, which it
# forgets within minutes. If this shell is killed, the runner stops, in a session of its own, which Slurm may not see.
# What a killed runner leaves is ended last.
# A job that is begun again has lost its run, which has another one then.
[ -z "$SLURM_RESTART_COUNT" ] || { echo "Restarts=$SLURM_RESTART_COUNT" > /shared/mlgit/runs/train-########/slurm-stop.txt; exit 1; }
runner= stopped=
stop() { stopped=1; [ -z "$runner" ] || kill -TERM "$runner"; }
trap stop TERM
/usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --apart /shared/mlgit/runs/train-########/spec.json &
runner=$!
[ -z "$stopped" ] && [ ! -e /shared/mlgit/runs/train-########/cancel ] || stop
wait "$runner"; code=$?
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; code=$?; done
[ -z "$stopped" ] || [ -e /shared/mlgit/runs/train-########/cancel ] || scontrol --oneliner show job "$SLURM_JOB_ID" > /shared/mlgit/runs/train-########/slurm-stop.txt
[ "$code" -lt 128 ] || /usr/bin/python3 -I -S /shared/mlgit/runners/abc.pyz --end /shared/mlgit/runs/train-########
exit "$code"
