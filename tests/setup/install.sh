#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing. Says what it installs; says and does nothing otherwise.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

has_package() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = 'install ok installed' ]; }

# The lines of packages.txt whose need is not met.
missing_lines() {
    local need packages
    while read -r need packages; do
        case $need in
        '' | '#'*) continue ;;
        -) has_package "${packages%% *}" || echo "$packages" ;;
        *) command -v "$need" >/dev/null || echo "$packages" ;;
        esac
    done <"$ROOT/tests/setup/packages.txt"
}

first_known() {
    local package
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    die "none of these Debian packages is known to apt: $*"
}

missing=$(missing_lines)
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $(echo "$missing" | tr '\n' ' ')"

# Here, where an error is seen: what follows goes into a log.
as_root true
log="$TOOLS/install.log"
mkdir -p "$TOOLS"
as_root apt-get update -qq >"$log" 2>&1 || die "apt-get update failed: $(tail -n 3 "$log")"
wanted=()
while read -r line; do
    # Each line names alternatives: they are to be split into words.
    # shellcheck disable=SC2086
    package=$(first_known $line)
    wanted+=("$package")
done <<<"$missing"
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >>"$log" 2>&1 ||
    die "apt-get install ${wanted[*]} failed: $(tail -n 5 "$log")"
say "installed ${wanted[*]}"
