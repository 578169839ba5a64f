#!/usr/bin/env bash
# Run mlgit from the checkout that this script belongs to: mlgit.sh [ARGUMENT]...
#
# It is installed once, with the versions and hashes of requirements-ci.lock, into the tool cache of the runner: runs that
# a job leaves behind use it when the checkout and RUNNER_TEMP are gone. Nothing is taken from the current folder, which
# holds the files under review: pip and uv run elsewhere, and Python runs isolated (-I).
# Without arguments, only install, and print the digest of what is installed.
#
# DIRECTORY, if set, is the folder to run in. A change could put a link to another workspace in its place.
# REMOTE_TOKEN, if set, is the token with which Git reads and writes the live state at the server of GitHub. It reaches
# Git through the environment; actions/checkout would leave it in a file.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd -P .
if [ "$(realpath -ms -- "${DIRECTORY:-.}")" != "$(realpath -m -- "${DIRECTORY:-.}")" ]; then
  echo "::error title=mlgit::the directory of the workspace is reached through a link: restore the folder" >&2
  exit 1
fi

# Print what is installed: these files, for this Python.
list_installation() {
  cd "$root"
  python3 -I -c 'import sys; print(sys.base_prefix, sys.version); sys.exit(sys.version_info < (3, 11))' || return
  find reconciler schemas workspace-template docs/diagnostics.md requirements-ci.lock -type f ! -name '*.pyc' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum
}

if ! installation=$(list_installation); then
  echo "::error title=mlgit::this runner has no python3 of 3.11 or newer: put actions/setup-python before this step" >&2
  exit 1
fi
digest=$(sha256sum <<<"$installation" | cut -c1-16)
venv=${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}/mlgit/$digest

install_mlgit() {
  local uv site
  rm -rf "$venv"
  if uv=$(command -v uv); then
    "$uv" venv --quiet --python python3 "$venv"
  else # it is one of the requirements
    python3 -I -m venv "$venv"
    sed -n '/^uv==/,/^    # via/p' requirements-ci.lock >"$venv/uv.lock"
    "$venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
      --requirement "$venv/uv.lock"
    uv=$venv/bin/uv
  fi
  "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes --requirements requirements-ci.lock
  site=$("$venv/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp -R reconciler "$site/reconciler" # as the wheel has it
  cp -R schemas workspace-template "$site/reconciler/"
  mkdir -p "$site/reconciler/docs"
  cp docs/diagnostics.md "$site/reconciler/docs/"
  touch "$venv/installed"
}

if [ ! -e "$venv/installed" ]; then
  mkdir -p "${venv%/*}"
  (
    flock 9
    cd "$root"
    [ -e "$venv/installed" ] || install_mlgit
  ) 9>"$venv.lock" >&2
fi

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
# RUNNER_TRACKING_ID marks what the runner ends after a job, which are the runs and drivers that go on.
# A cache of another runner counts if the same mlgit wrote it.
unset REMOTE_TOKEN RUNNER_TRACKING_ID
cd "${DIRECTORY:-.}"
MLGIT_INSTALLATION=$digest exec "$venv/bin/python" -I -m reconciler "$@"
