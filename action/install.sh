#!/usr/bin/env bash
# Finds the gatewright binary for action.yml, and writes its path to the step's output `path`: the one that the input `binary`
# names, or that of the release in release.txt, from the runner's tool cache or downloaded. Nothing runs whose SHA-256 is not
# the one in release.txt.
#
#   INPUT_BINARY            a binary that is there already; nothing is downloaded, and its digest is nobody's business
#   INPUT_MIRROR            the address of a folder with the release's files, instead of the one in release.txt
#   GATEWRIGHT_RELEASE      another release.txt (the tests')
set -euo pipefail

# A binary has about 30 MB: five minutes are long for that, and half an hour is no answer.
CONNECT_SECS=15
DOWNLOAD_SECS=300
TRIES=3

here=$(cd "$(dirname "$0")" && pwd)
release="${GATEWRIGHT_RELEASE:-$here/release.txt}"

# An annotation takes a line: what could end it is escaped as GitHub's toolkit does.
die() {
    local text="$*"
    text=${text//'%'/'%25'}
    text=${text//$'\r'/'%0D'}
    text=${text//$'\n'/'%0A'}
    # The runner obeys commands on either stream; standard output may be somebody's value.
    printf '::error title=Gatewright::%s\n' "$text" >&2
    exit 3
}

# A path with a line end in it could set other outputs.
finish() {
    case $1 in *$'\n'* | *$'\r'*) die "the path of the binary has a line end in it" ;; esac
    printf 'path=%s\n' "$1" >>"$GITHUB_OUTPUT"
    exit 0
}

target() {
    case "$(uname -s)/$(uname -m)" in
    Linux/x86_64) echo x86_64-unknown-linux-musl ;;
    Linux/aarch64 | Linux/arm64) echo aarch64-unknown-linux-musl ;;
    *) die "there is no binary for $(uname -s) on $(uname -m); run the job on Linux, or name one with the input \`binary\`" ;;
    esac
}

# The value behind these words in release.txt.
told() {
    awk -v first="$1" -v second="${2:-}" '
        $1 == first && second == "" { print $2; exit }
        $1 == first && $2 == second { print $3; exit }' "$release"
}

is_right() { printf '%s  %s\n' "$digest" "$1" | sha256sum --check --status 2>/dev/null; }

if [ -n "${INPUT_BINARY:-}" ]; then
    if ! [ -f "$INPUT_BINARY" ] || ! [ -x "$INPUT_BINARY" ]; then
        die "the input \`binary\` names no program: $INPUT_BINARY"
    fi
    finish "$(cd "$(dirname "$INPUT_BINARY")" && pwd)/$(basename "$INPUT_BINARY")"
fi

version=$(told version)
[ -n "$version" ] || die "this version of the action has no release: name a binary with the input \`binary\`"
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || die "release.txt names no version"
target=$(target)
digest=$(told sha256 "$target")
[[ $digest =~ ^[0-9a-f]{64}$ ]] || die "release $version has no binary for $target"

cache="${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?}}/gatewright/$version/$target"
binary="$cache/gatewright"
# What lies in the cache could have been put there by an earlier job on the same machine.
if [ -f "$binary" ] && is_right "$binary"; then
    finish "$binary"
fi

from="${INPUT_MIRROR:-$(told from)}"
case $from in
https://*) protocols='=https' ;;
# Another way is only taken where it was named: the digest decides all the same.
http://* | file://*) [ -n "${INPUT_MIRROR:-}" ] || die "binaries are downloaded by https only"; protocols='=https,http,file' ;;
*) die "the input \`mirror\` is no address: $from" ;;
esac
mkdir -p "$cache"
download=$(mktemp "$cache/download.XXXXXX")
trap 'rm -f "$download"' EXIT
curl --silent --show-error --fail --location --proto "$protocols" --retry "$TRIES" \
    --connect-timeout "$CONNECT_SECS" --max-time "$DOWNLOAD_SECS" \
    --output "$download" "${from%/}/gatewright-$target" || die "gatewright $version cannot be downloaded from $from"
is_right "$download" || die "what lies at ${from%/}/gatewright-$target is not gatewright $version: its SHA-256 is another one"
chmod 0755 "$download"
# Moved into place whole: two jobs on one machine may come here at once.
mv -f "$download" "$binary"
trap - EXIT
finish "$binary"
