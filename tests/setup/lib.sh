# Sourced by the other scripts of this folder: where things are, and how to become root.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS="$ROOT/.tools"
export ROOT TOOLS
# Debian keeps dockerd, mkfs and losetup where an ordinary user's PATH does not look.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf 'setup: %s\n' "$*"; }

die() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root. What it sets must be in the command itself: sudo drops the environment.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: run it as root, or install sudo: $*"
    fi
}
