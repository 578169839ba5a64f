#!/usr/bin/env bash
# Run mlgit from the checkout that this script belongs to: mlgit.sh [ARGUMENT]...
#
# The first call of a job installs it into RUNNER_TEMP, with the versions and hashes of requirements-ci.lock. Nothing is
# taken from the current folder, which holds the files under review: pip and uv run elsewhere, Python runs isolated (-I).
# Without arguments, only install, and print the digest of what is installed.
#
# REMOTE_TOKEN, if set, is the token with which Git reads and writes the live state at the server of GitHub. It reaches
# Git through the environment of this process only; actions/checkout would leave it in a file.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
digest=$(cd "$root" && find reconciler schemas requirements-ci.lock -type f ! -name '*.pyc' -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
venv=$RUNNER_TEMP/mlgit-$digest

install_mlgit() {
  if ! python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error title=mlgit::mlgit needs python3 3.11 or newer on this runner: put actions/setup-python before this step"
    return 1
  fi
  rm -rf "$venv"
  python3 -I -m venv "$venv"
  # uv installs the rest; it is one of the requirements.
  sed -n '/^uv==/,/^    # via/p' requirements-ci.lock >"$venv/uv.lock"
  "$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    --requirement "$venv/uv.lock"
  "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes --requirements requirements-ci.lock
  echo "$root" >"$("$venv/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/mlgit.pth"
  touch "$venv/installed"
}

[ -e "$venv/installed" ] || (cd "$root" && install_mlgit) >&2

if [ $# = 0 ]; then
  echo "$digest"
  exit
fi
if [ -n "${REMOTE_TOKEN:-}" ]; then
  basic=$(printf 'x-access-token:%s' "$REMOTE_TOKEN" | base64 | tr -d '\n')
  echo "::add-mask::$basic" >&2
  setting=${GIT_CONFIG_COUNT:-0}
  export GIT_CONFIG_COUNT=$((setting + 1))
  export "GIT_CONFIG_KEY_$setting=http.$GITHUB_SERVER_URL/.extraheader"
  export "GIT_CONFIG_VALUE_$setting=AUTHORIZATION: basic $basic"
fi
unset REMOTE_TOKEN
# A cache of another runner counts if the same mlgit wrote it.
MLGIT_INSTALLATION=$digest exec "$venv/bin/python" -I -m reconciler "$@"
