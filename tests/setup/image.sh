#!/usr/bin/env bash
# Builds the sandbox image of demo, tests and benches on the spot: busybox and a user, 1000. No registry is asked.
# Skipped where the image is there with the same content.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TAG=gatewright-sandbox:local
LABEL=dev.gatewright.content

busybox=$(command -v busybox) || die "busybox is not installed; run tests/setup/install.sh first"
content=$(cat "$busybox" "$0" | sha256sum | cut -d ' ' -f 1)
present=$(docker image inspect --format "{{ index .Config.Labels \"$LABEL\" }}" "$TAG" 2>/dev/null || true)
[ "$present" != "$content" ] || exit 0

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,sbin,usr/bin,usr/sbin,etc,dev,proc,sys,run,var,root,home/gate,workspace,tmp}
chmod 1777 "$tree/tmp"
install -m 0755 "$busybox" "$tree/bin/busybox"
# `busybox --list-full` names where each applet belongs. Links are relative, so the tree can be looked at from outside.
"$busybox" --list-full | while read -r applet; do
    [ "$applet" = bin/busybox ] || ln -s -r "$tree/bin/busybox" "$tree/$applet"
done
printf 'root:x:0:0:root:/root:/bin/sh\ngate:x:1000:1000:gate:/home/gate:/bin/sh\n' >"$tree/etc/passwd"
printf 'root:x:0:\ngate:x:1000:\n' >"$tree/etc/group"
# A binary that root owns and that takes its rights along: the sandbox must not let it. The escape tests try it.
mkdir -p "$tree/opt/setuid"
install -m 4755 "$busybox" "$tree/opt/setuid/busybox"

tar -C "$tree" --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -cf - . |
    docker import -c "LABEL $LABEL=$content" -c 'CMD ["/bin/sh"]' -c 'WORKDIR /workspace' - "$TAG" >/dev/null
say "built the image $TAG"
