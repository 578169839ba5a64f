#!/bin/sh
# From an empty folder to a registered model: what `make demo` runs. MLGIT is the command, $1 the new folder.
set -eu

run() {
    printf '\n$ %s\n' "mlgit $*"
    "${MLGIT:-mlgit}" "$@"
}

edit() { # replace a text in a file, and commit
    printf '\n$ sed -i "s/%s/%s/" %s && git commit -qam "%s"\n' "$1" "$2" "$3" "$4"
    sed -i.bak "s/$1/$2/" "$3" && rm "$3.bak"
    git commit -qam "$4"
}

run init "$1"
cd "$1"
run validate
run plan
run apply --auto-approve --wait
run status
run plan

printf '\nOne step of the pipeline is edited: the others are not run again.\n'
edit 'macro avg' 'weighted avg' components/evaluate/src/evaluate.py 'Weight the classes'
run plan
run apply --auto-approve --wait
run job show iris-pipeline

printf '\nThe losses of two trainings, of the job and of the step, over one another:\n'
run job metrics train iris-pipeline/train --plot

cat <<END

That was a workspace, from an empty folder to a registered model. It is in $1; look at

  mlgit lineage model/iris               where the model came from: commit, run, data, environment
  mlgit job compare train iris-pipeline/train   what differs between two runs, and what came of it
  mlgit log                              who changed the live state, when, and how

then edit jobs/train.yml (lr: 0.2), and see what follows from it with
  mlgit plan
END
