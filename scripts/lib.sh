# shellcheck shell=bash
# Shared by the scripts: where things are, what progress looks like, how tools come here. Sourced, not run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPT=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
PORT=${RIALTO_PORT:-4566}
STAGE=${RIALTO_STAGE:-local}
HOME_DIR=${RIALTO_HOME:-$ROOT/.rialto}
TOOLS=$ROOT/.venv
ENDPOINT=http://127.0.0.1:$PORT

cd "$ROOT"

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# usage: a script's help is the comment that it begins with.
usage() { awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$SCRIPT"; }

# misused WHAT: for a command line that can't be read. Nothing has been done yet.
misused() {
  printf 'error: %s\n\n' "$*" >&2
  usage >&2
  exit 2
}

# takes_nothing "$@": for scripts without arguments.
takes_nothing() { [ $# = 0 ] || misused "it takes no arguments: $*"; }

# Sourced without arguments, this sees the script's own.
case ${1:-} in -h | --help) usage; exit ;; esac

# on NAME: works with this emulator from here on. RUN_DIR has everything that a run leaves behind; one folder a port and
# emulator, so that several runs keep apart.
asked_auth_mode=${AUTH_MODE:-gateway}
on() {
  case $1 in
    ministack) RUN_DIR=$HOME_DIR/$PORT AUTH_MODE=$asked_auth_mode ;;
    # It enforces no authorizers, so the functions check tokens by themselves.
    localstack) RUN_DIR=$HOME_DIR/$PORT-localstack AUTH_MODE=token ;;
    *) misused "there is no emulator '$1': ministack or localstack" ;;
  esac
  export RIALTO_EMULATOR=$1 AUTH_MODE
}
on "${RIALTO_EMULATOR:-ministack}"

# in_docker: whether LocalStack comes as a container. RIALTO_DOCKER=no says that it doesn't.
in_docker() { [ "$RIALTO_EMULATOR" = localstack ] && [ "${RIALTO_DOCKER:-}" != no ] && docker info >/dev/null 2>&1; }

need() { command -v "$1" >/dev/null 2>&1 || fail "$1 is needed: $2"; }

# need_python: that python3 makes virtual environments and is new enough.
need_python() {
  need python3 "install Python 3.10 or later"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "Python 3.10 or later is needed, and python3 here is $(python3 --version 2>&1): install a later one, first on the PATH"
  python3 -c 'import ensurepip, venv' 2>/dev/null || fail "Python's own venv is needed: install it (Debian, Ubuntu: python3-venv)"
}

# has_java: whether java is there, and version 17 or later. (Before 9, its version began with "1.")
has_java() {
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ]
}

# browser: prints where a Chromium is, under whichever name.
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# Environment for everything that speaks to the emulator; an emulator takes any credentials.
emulator_env() {
  [ "$STAGE" = local ] || fail "an emulator has the stage local only, not $STAGE: unset RIALTO_STAGE (scripts/deploy takes any, on AWS)"
  export AWS_ENDPOINT_URL=$ENDPOINT AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  unset AWS_PROFILE AWS_SESSION_TOKEN
  export RIALTO_STAGE=$STAGE SAM_CLI_TELEMETRY=0 SAM_CLI_POLL_DELAY=0.5
  # Being asked costs it more than it costs others.
  if [ "$RIALTO_EMULATOR" = localstack ]; then SAM_CLI_POLL_DELAY=3; fi
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

# python_for_localstack: prints a Python 3.12 or 3.13, if there is one.
python_for_localstack() {
  local candidate
  for candidate in python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.13.*/bin/python3 "$HOME"/.pyenv/versions/3.12.*/bin/python3 \
    /opt/homebrew/bin/python3.13 /opt/homebrew/bin/python3.12 /usr/local/bin/python3.13 /usr/local/bin/python3.12; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# tool NAME [PYTHON] [PACKAGE]: a virtual environment of its own under .venv/NAME, exactly as localstack/requirements/NAME.txt
# pins it; with another Python than the first one here, and with a package of this repository.
tool() {
  local name=$1 python=${2:-python3} requirements=$ROOT/localstack/requirements/$1.txt dir=$TOOLS/$1 wanted
  wanted=$(cat "$requirements" ${3:+$(find "$3" -name '*.py' -o -name '*.toml' | sort)})
  if [ "$(cat "$dir/installed.txt" 2>/dev/null)" != "$wanted" ]; then
    need "$python" "install Python 3.10 or later"
    say "installing $name (once)"
    if [ ! -x "$TOOLS/uv/bin/uv" ]; then
      need_python
      quietly python3 -m venv "$TOOLS/uv"
      quietly "$TOOLS/uv/bin/pip" install --disable-pip-version-check 'uv==0.13.8'
    fi
    quietly "$TOOLS/uv/bin/uv" venv --clear --python "$(command -v "$python")" "$dir"
    quietly "$TOOLS/uv/bin/uv" pip install --python "$dir/bin/python" -r "$requirements"
    if [ $# = 3 ]; then quietly "$TOOLS/uv/bin/uv" pip install --python "$dir/bin/python" --no-deps --reinstall "./$3"; fi
    printf '%s\n' "$wanted" >"$dir/installed.txt"
  fi
}

# free_port: a loopback port that nothing listens on now, below those that systems give to outgoing connections, so that none
# of those takes it before whoever asked does.
free_port() {
  python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        socket.socket().bind(("127.0.0.1", port))
        break
    except OSError:
        pass
print(port)'
}

# emulator_pid: prints the process id of the emulator that was started for RUN_DIR, if it still runs. After a reboot the number
# may be somebody else's, so the command line has to end as localstack/start gave it.
emulator_pid() {
  local pid
  pid=$(cat "$RUN_DIR/emulator.pid" 2>/dev/null) || return 1
  case $(ps -ww -o command= -p "$pid" 2>/dev/null) in
    *" $RUN_DIR") echo "$pid" ;;
    *) return 1 ;;
  esac
}

# need_emulator: that scripts/up runs this one here, and not the other.
need_emulator() {
  if [ ! -f "$RUN_DIR/local.json" ] || { [ ! -f "$RUN_DIR/compose" ] && ! emulator_pid >/dev/null; } ||
    ! curl -sf -o /dev/null "$ENDPOINT/_localstack/health"; then
    fail "no $RIALTO_EMULATOR runs on port $PORT: run scripts/up first"
  fi
}

# wait_for URL WHAT SECONDS: until URL answers.
wait_for() {
  local deadline=$((SECONDS + $3))
  until curl -sf -o /dev/null "$1"; do
    [ $SECONDS -lt $deadline ] || fail "$2 doesn't answer at $1"
    sleep 0.1
  done
}

# wait_for_port PORT WHAT SECONDS: until something listens there.
wait_for_port() {
  python3 -c '
import socket, sys, time
deadline = time.time() + float(sys.argv[2])
while True:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        break
    except OSError:
        if time.time() > deadline:
            sys.exit(1)
        time.sleep(0.1)' "$1" "$3" || fail "$2 doesn't listen on port $1"
}
