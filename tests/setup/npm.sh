#!/usr/bin/env bash
# Installs the npm packages of package.json, pinned by package-lock.json, into .tools/npm.
# Skipped where what the lock names is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

here="$ROOT/tests/setup"
there="$TOOLS/npm"
# Written last, so a cut installation is done again.
stamp="$there/installed"

wanted=$(sha256sum <"$here/package-lock.json")
[ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || exit 0
command -v npm >/dev/null || die "npm is not installed; run tests/setup/install.sh first"
mkdir -p "$there"
rm -f "$stamp"
cp "$here/package.json" "$here/package-lock.json" "$there/"
npm ci --prefix "$there" --ignore-scripts --no-audit --no-fund --loglevel=error >"$TOOLS/npm.log" 2>&1 ||
    die "npm ci failed: $(tail -n 5 "$TOOLS/npm.log")"
printf '%s\n' "$wanted" >"$stamp"
say "installed the npm packages of tests/setup/package.json"
