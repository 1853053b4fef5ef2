#!/usr/bin/env bash
# Installs the Python programs of requirements.txt into an environment of their own, .tools/python.
# Skipped where what the file names is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

wanted_file="$ROOT/tests/setup/requirements.txt"
there="$TOOLS/python"
# Written last, so a cut installation is done again. The interpreter is named in it: an environment dies with the one it is of.
stamp="$there/installed"

command -v python3 >/dev/null || die "python3 is not installed; run tests/setup/install.sh first"
wanted=$(python3 -c 'import sys; print(sys.executable, sys.version)' | cat - "$wanted_file" | sha256sum)
[ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || exit 0
mkdir -p "$TOOLS"
rm -rf "$there"
python3 -m venv "$there" >"$TOOLS/python.log" 2>&1 || die "python3 -m venv failed: $(tail -n 5 "$TOOLS/python.log")"
"$there/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted_file" >"$TOOLS/python.log" 2>&1 ||
    die "pip install failed: $(tail -n 5 "$TOOLS/python.log")"
printf '%s\n' "$wanted" >"$stamp"
say "installed the Python programs of tests/setup/requirements.txt"
