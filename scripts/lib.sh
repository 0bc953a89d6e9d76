# Shared by the scripts: where things are, what progress looks like, how tools come here. Sourced, not run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PORT=${RIALTO_PORT:-4566}
STAGE=${RIALTO_STAGE:-local}
# Everything that a run leaves behind; one folder a port, so that several runs keep apart.
HOME_DIR=${RIALTO_HOME:-$ROOT/.rialto}
RUN_DIR=$HOME_DIR/$PORT
TOOLS=$ROOT/.venv
ENDPOINT=http://127.0.0.1:$PORT

cd "$ROOT"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is needed: $2"; }

# Environment for everything that speaks to the emulator; an emulator takes any credentials.
emulator_env() {
  export AWS_ENDPOINT_URL=$ENDPOINT AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  unset AWS_PROFILE AWS_SESSION_TOKEN
  export RIALTO_STAGE=$STAGE SAM_CLI_TELEMETRY=0 SAM_CLI_POLL_DELAY=0.5
}

# Runs a command in silence and shows what it said only if it fails.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "$1 failed; its output is above"
  fi
  rm -f "$log"
}

# tool NAME: a virtual environment of its own under .venv/NAME, exactly as localstack/requirements/NAME.txt pins it.
tool() {
  local name=$1 requirements=$ROOT/localstack/requirements/$1.txt dir=$TOOLS/$1
  if ! cmp -s "$requirements" "$dir/installed.txt"; then
    need python3 "install Python 3.10 or later"
    say "installing $name (once)"
    if [ ! -x "$TOOLS/uv/bin/uv" ]; then
      python3 -m venv "$TOOLS/uv"
      quietly "$TOOLS/uv/bin/pip" install --disable-pip-version-check 'uv==0.13.8'
    fi
    quietly "$TOOLS/uv/bin/uv" venv --clear --python "$(command -v python3)" "$dir"
    quietly "$TOOLS/uv/bin/uv" pip install --python "$dir/bin/python" -r "$requirements"
    cp "$requirements" "$dir/installed.txt"
  fi
}

# free_port: a loopback port that nothing listens on now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for URL WHAT SECONDS: until URL answers.
wait_for() {
  local deadline=$((SECONDS + $3))
  until curl -sf -o /dev/null "$1"; do
    [ $SECONDS -lt $deadline ] || fail "$2 doesn't answer at $1"
    sleep 0.1
  done
}
