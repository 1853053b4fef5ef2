#!/usr/bin/env bash
# How fast reports are read, beside what others read the same files with, in one session. Their readers are installed into an
# environment of their own, .tools/peers, that nothing else uses. Arguments are given on to the bench: names of formats, --mb SIZE.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../../../tests/setup/lib.sh
. "$(dirname "$0")/../../../../tests/setup/lib.sh"

wanted="$ROOT/app/reports/benches/peers/requirements.txt"
there="$TOOLS/peers"
# Written last, so a cut installation is done again.
if ! cmp --silent "$wanted" "$there/installed"; then
    rm -rf "$there"
    mkdir -p "$TOOLS"
    python3 -m venv "$there"
    "$there/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$there/installed"
fi
cd "$ROOT"
exec cargo bench --quiet --package gatewright-reports --bench throughput -- --peers "$there/bin/python" "$@"
