#!/usr/bin/env bash
# Makes sure that a container engine answers: starts dockerd in the background where none does. Does nothing where one
# answers already, whoever started it. Its log is .tools/engine/dockerd.log.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# dockerd starts in about 2 s; on a slow disk its first start takes longer.
WAIT_SECS=60
STATE="$TOOLS/engine"
LOG="$STATE/dockerd.log"

answers() { timeout 10 docker version >/dev/null 2>&1; }

# Whether an engine runs that only root may talk to.
root_only() { [ "$(id -u)" -ne 0 ] && [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; }

# A file left by an engine that was killed names a process that is gone.
engine_runs() { [ -r /var/run/docker.pid ] && [ -d "/proc/$(cat /var/run/docker.pid)" ]; }

# With the user's own group on the socket, the tests need no root to use it. The log is the user's, dockerd root's.
# dockerd starts itself anew for every copy into and out of a container; with rarer garbage collections that takes a third less.
start() {
    as_root true
    as_root env GOGC=400 setsid -f dockerd --group "$(id -gn)" >>"$LOG" 2>&1 </dev/null 9>&-
}

wait_until_it_answers() {
    local waited=0
    until answers; do
        engine_runs || [ "$waited" -lt 3 ] || die "dockerd ended at once: $(tail -n 3 "$LOG")"
        [ "$waited" -lt "$WAIT_SECS" ] || die "dockerd does not answer after $WAIT_SECS s; see $LOG"
        sleep 1
        waited=$((waited + 1))
    done
}

! answers || exit 0
[ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST"
command -v dockerd >/dev/null || die "dockerd is not installed; run tests/setup/install.sh first"
mkdir -p "$STATE"
# Two callers at once start one engine: the second waits here and finds it answering.
exec 9>"$STATE/lock"
flock 9
! answers || exit 0
if engine_runs && root_only; then
    die "an engine runs, but $(id -un) may not use it: add the user to the group of /var/run/docker.sock, or run this as root"
fi
engine_runs || start
wait_until_it_answers
say "started the container engine (log: $LOG)"
