# shellcheck shell=bash
# Functions and settings that all scripts share. Sourced, not run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPT=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
PORT=${RIALTO_PORT:-4566}
STAGE=${RIALTO_STAGE:-local}
DATA_DIR=${RIALTO_HOME:-$ROOT/.rialto}
TOOLS=$ROOT/.venv
ENDPOINT=http://127.0.0.1:$PORT

cd "$ROOT"

info() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# print_usage: the comment at the top of the running script.
print_usage() {
  awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$SCRIPT"
}

# usage_error MESSAGE: reports invalid arguments and exits with status 2.
usage_error() {
  printf 'error: %s\n\n' "$*" >&2
  print_usage >&2
  exit 2
}

# expect_no_arguments "$@"
expect_no_arguments() { [ $# = 0 ] || usage_error "unexpected arguments: $*"; }

# A file sourced without arguments sees the arguments of the script that sources it.
case ${1:-} in -h | --help) print_usage; exit ;; esac

# select_emulator NAME: sets RIALTO_EMULATOR, AUTH_MODE and RUN_DIR, the folder with the emulator's
# state, logs and process id. There is one such folder per port and emulator.
requested_auth_mode=${AUTH_MODE:-gateway}
select_emulator() {
  case $1 in
    ministack) RUN_DIR=$DATA_DIR/$PORT AUTH_MODE=$requested_auth_mode ;;
    # LocalStack doesn't enforce authorizers, so the functions verify tokens themselves.
    localstack) RUN_DIR=$DATA_DIR/$PORT-localstack AUTH_MODE=token ;;
    *) usage_error "unknown emulator '$1': use ministack or localstack" ;;
  esac
  export RIALTO_EMULATOR=$1 AUTH_MODE
}
select_emulator "${RIALTO_EMULATOR:-ministack}"

# uses_docker: whether the emulator runs in Docker. Only LocalStack does; RIALTO_DOCKER=no prevents it.
uses_docker() {
  [ "$RIALTO_EMULATOR" = localstack ] && [ "${RIALTO_DOCKER:-}" != no ] && docker info >/dev/null 2>&1
}

# require_command NAME REMEDY
require_command() { command -v "$1" >/dev/null 2>&1 || fail "$1 is required: $2"; }

# require_python: python3 must be 3.10 or later and able to create virtual environments.
require_python() {
  require_command python3 "install Python 3.10 or later"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "Python 3.10 or later is required, but python3 is $(python3 --version 2>&1):" \
      "install a later version and put it first on the PATH"
  python3 -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is required: install it (Debian, Ubuntu: python3-venv)"
}

# has_node MAJOR MINOR: whether Node.js of this version or later is installed.
has_node() {
  command -v node >/dev/null 2>&1 &&
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
      const [needed, least] = process.argv.slice(-2).map(Number);
      process.exit(major > needed || (major === needed && minor >= least) ? 0 : 1)' "$1" "$2"
}

# node_advice MAJOR MINOR: prints what is missing and what to do.
node_advice() {
  printf 'Node.js %s.%s or later is required, but node is %s: %s\n' "$1" "$2" \
    "$(node --version 2>/dev/null || echo missing)" \
    "install a later version (https://nodejs.org) and put it first on the PATH"
}

# require_node MAJOR MINOR
require_node() { has_node "$@" || fail "$(node_advice "$@")"; }

# has_java: whether Java 17 or later is installed. Versions before 9 begin with "1.".
has_java() {
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ]
}

# find_chromium: prints the path of Chromium or Chrome.
find_chromium() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

# export_emulator_env: the environment for AWS clients of the emulator, which accepts any credentials.
export_emulator_env() {
  [ "$STAGE" = local ] ||
    fail "the stage on an emulator is always local, not $STAGE: unset RIALTO_STAGE" \
      "(scripts/deploy deploys any stage to AWS)"
  export AWS_ENDPOINT_URL=$ENDPOINT AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  unset AWS_PROFILE AWS_SESSION_TOKEN
  export RIALTO_STAGE=$STAGE SAM_CLI_TELEMETRY=0 SAM_CLI_POLL_DELAY=0.5
  # Polling slows LocalStack's deployment down.
  if [ "$RIALTO_EMULATOR" = localstack ]; then SAM_CLI_POLL_DELAY=3; fi
}

# run_quietly COMMAND…: prints the command's output only if it fails.
run_quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "$1 failed; see its output above"
  fi
  rm -f "$log"
}

# find_localstack_python: prints the path of a Python 3.12 or 3.13, which LocalStack requires.
find_localstack_python() {
  local candidate
  for candidate in python3.13 python3.12 python3 \
    "$HOME"/.pyenv/versions/3.13.*/bin/python3 "$HOME"/.pyenv/versions/3.12.*/bin/python3 \
    /opt/homebrew/bin/python3.13 /opt/homebrew/bin/python3.12 \
    /usr/local/bin/python3.13 /usr/local/bin/python3.12; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# install_tool NAME [PYTHON] [PACKAGE]: creates the virtual environment .venv/NAME with the versions
# pinned in scripts/requirements/NAME.txt, unless it is up to date. PYTHON replaces the default
# python3; PACKAGE is the folder of a Python package in this repository to install as well.
install_tool() {
  local name=$1 python=${2:-python3} requirements=$ROOT/scripts/requirements/$1.txt
  local dir=$TOOLS/$1 fingerprint
  fingerprint=$(cat "$requirements" ${3:+$(find "$3" -name '*.py' -o -name '*.toml' | sort)})
  if [ "$(cat "$dir/installed.txt" 2>/dev/null)" != "$fingerprint" ]; then
    require_command "$python" "install Python 3.10 or later"
    info "installing $name (once)"
    if [ ! -x "$TOOLS/uv/bin/uv" ]; then
      require_python
      run_quietly python3 -m venv "$TOOLS/uv"
      run_quietly "$TOOLS/uv/bin/pip" install --disable-pip-version-check 'uv==0.13.8'
    fi
    run_quietly "$TOOLS/uv/bin/uv" venv --clear --python "$(command -v "$python")" "$dir"
    run_quietly "$TOOLS/uv/bin/uv" pip install --python "$dir/bin/python" -r "$requirements"
    if [ $# = 3 ]; then
      run_quietly "$TOOLS/uv/bin/uv" pip install --python "$dir/bin/python" --no-deps --reinstall "./$3"
    fi
    printf '%s\n' "$fingerprint" >"$dir/installed.txt"
  fi
}

# find_free_port: prints a loopback port that nothing listens on.
find_free_port() { python3 "$ROOT/scripts/lib/ports.py" free; }

# local_field NAME [FILE]: prints a field of local.json.
local_field() { python3 "$ROOT/scripts/lib/local_file.py" get "${2:-$RUN_DIR/local.json}" "$1"; }

# emulator_pid: prints the process id of the emulator that was started for RUN_DIR, if it is running.
# The id may have been reused since, so the command line has to end as localstack/start wrote it.
emulator_pid() {
  local pid
  pid=$(cat "$RUN_DIR/emulator.pid" 2>/dev/null) || return 1
  case $(ps -ww -o command= -p "$pid" 2>/dev/null) in
    *" $RUN_DIR") echo "$pid" ;;
    *) return 1 ;;
  esac
}

# require_emulator: the selected emulator must be running on PORT.
require_emulator() {
  if [ ! -f "$RUN_DIR/local.json" ] || { [ ! -f "$RUN_DIR/compose" ] && ! emulator_pid >/dev/null; } ||
    ! curl -sf -o /dev/null "$ENDPOINT/_localstack/health"; then
    fail "$RIALTO_EMULATOR isn't running on port $PORT: run scripts/up first"
  fi
}

# wait_for_url URL DESCRIPTION SECONDS: waits until URL responds with success.
wait_for_url() {
  local deadline=$((SECONDS + $3))
  until curl -sf -o /dev/null "$1"; do
    [ $SECONDS -lt $deadline ] || fail "$2 doesn't respond at $1 after $3 s"
    sleep 0.1
  done
}

# wait_for_port PORT DESCRIPTION SECONDS: waits until something listens on PORT.
wait_for_port() {
  python3 "$ROOT/scripts/lib/ports.py" wait "$1" "$3" || fail "$2 doesn't listen on port $1 after $3 s"
}
