#!/bin/sh
# From an empty folder to a registered model: what `make demo` runs. MLGIT is the command, $1 the new folder.
set -eu

run() {
    printf '\n$ %s\n' "mlgit $*"
    "${MLGIT:-mlgit}" "$@"
}

run init "$1"
cd "$1"
run validate
run plan
run apply --auto-approve --wait
run status
run plan

cat <<END

That was a workspace, from an empty folder to a registered model. It is in $1; look at

  mlgit show model/iris                  where the model came from: commit, run, data, environment
  mlgit job metrics train                what the training logged
  mlgit log                              who changed the live state, when, and how

then edit jobs/train.yml (lr: 0.2), and see what follows from it with
  mlgit plan
END
