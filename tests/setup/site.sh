#!/usr/bin/env bash
# Builds the image that is rolled out in tests and the demo: one static program (instance.rs) and nothing else. No registry is asked.
# Skipped where the image is there with the same content.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TAG=gatewright-instance:local
LABEL=dev.gatewright.content

program="$ROOT/tests/setup/instance.rs"
content=$(cat "$program" "$0" | sha256sum | cut -d ' ' -f 1)
present=$(docker image inspect --format "{{ index .Config.Labels \"$LABEL\" }}" "$TAG" 2>/dev/null || true)
[ "$present" != "$content" ] || exit 0

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
(cd "$ROOT" && rustc --edition 2024 -O -C target-feature=+crt-static -C strip=symbols -o "$tree/instance" "$program")
tar -C "$tree" --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - instance |
    docker import -c "LABEL $LABEL=$content" -c 'ENTRYPOINT ["/instance"]' -c 'ENV LISTEN=0.0.0.0:8080' -c 'USER 65534' - "$TAG" >/dev/null
say "built the image $TAG"
