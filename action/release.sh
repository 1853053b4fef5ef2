#!/usr/bin/env bash
# Writes release.txt, the list that install.sh takes a binary by, to standard output: of a release whose files lie at ADDRESS, with the
# digests of SUMS, which is what `sha256sum gatewright-*` says of them.
#
#   release.sh VERSION ADDRESS SUMS      such as: release.sh 1.2.3 https://github.com/OWNER/REPO/releases/download/v1.2.3 SHA256SUMS
#
# Nothing is written of a release that lacks a binary which install.sh looks for.
set -euo pipefail

die() {
    printf 'release.sh: %s\n' "$*" >&2
    exit 2
}

[ $# -eq 3 ] || die "three arguments are needed: VERSION ADDRESS SUMS"
version=$1 from=${2%/} sums=$3
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "$version is no version, such as 1.2.3"
[[ $from =~ ^https://[^[:space:]]+$ ]] || die "$from is no address of a folder that is reached by https"
[ -r "$sums" ] || die "$sums cannot be read"

# The digest of a file, where there is one line for it.
digest() {
    local found
    found=$(awk -v name="gatewright-$1" '$2 == name || $2 == "*" name { print $1 }' "$sums")
    [[ $found =~ ^[0-9a-f]{64}$ ]] || die "$sums has no digest, or more than one, of gatewright-$1"
    printf '%s\n' "$found"
}

# Those that install.sh knows.
mapfile -t targets < <(sed -nE 's/^ *Linux\/.*echo ([a-z0-9_-]+) ;;$/\1/p' "$(dirname "$0")/install.sh")
[ "${#targets[@]}" -gt 0 ] || die "install.sh names no target"
lines=()
for target in "${targets[@]}"; do
    found=$(digest "$target")
    lines+=("sha256 $target $found")
done
cat <<END
# The release whose binaries action.yml runs: its version, then for each target the SHA-256 of the binary. They lie in the
# action's own tree, so that whoever pins the action by commit pins the binary with it. Written by release.sh.
#
# version VERSION
# from    ADDRESS          the folder that holds \`gatewright-TARGET\`, by https
# sha256  TARGET  DIGEST
#
version $version
from $from
END
printf '%s\n' "${lines[@]}"
