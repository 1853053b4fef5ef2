#!/usr/bin/env bash
# Signed deliveries acknowledged per second: Gatewright's intake beside probot and Debian's webhook, in one session, in
# turn, on this machine only.
#
#   tests/benches/intake/run.sh [COMMAND...]
#
# COMMAND starts the Gatewright server to measure, in the foreground; it listens on 127.0.0.1:$PORT, serves
# POST /webhooks/github and knows the secret in $WEBHOOK_SECRET. Without it the intake alone is measured, in front of
# something that keeps nothing. ROUNDS, SECONDS_EACH and CONNECTIONS change how long and how hard.
# Prints a table; every single measurement is kept in .tools/bench-intake/runs.jsonl.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
tools="$root/.tools"
work="$tools/bench-intake"
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-5}
read -ra connections <<<"${CONNECTIONS:-16 256}"
export WEBHOOK_SECRET="the secret of the intake bench"
export PORT=${PORT:-18080}

say() { printf 'intake bench: %s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

install_probot() {
    command -v npm >/dev/null || die "npm is not installed"
    mkdir -p "$tools/bench-npm"
    cp "$here/package.json" "$here/package-lock.json" "$here/probot.mjs" "$tools/bench-npm/"
    [ "$(cat "$tools/bench-npm/installed" 2>/dev/null)" != "$(sha256sum <"$here/package-lock.json")" ] || return 0
    npm ci --prefix "$tools/bench-npm" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    sha256sum <"$here/package-lock.json" >"$tools/bench-npm/installed"
}

# Debian's package is unpacked beside the rest, not installed: that needs no root and leaves nothing behind.
install_webhook() {
    webhook=$(command -v webhook || true)
    [ -z "$webhook" ] || return 0
    webhook="$tools/bench-deb/usr/bin/webhook"
    [ ! -x "$webhook" ] || return 0
    mkdir -p "$tools/bench-deb"
    (cd "$tools/bench-deb" && apt-get download -qq webhook >&2 && dpkg-deb -x webhook_*.deb .) ||
        die "the Debian package webhook could not be fetched; run apt-get update first"
}

make_inputs() {
    mkdir -p "$work"
    local examples="$tools/npm/node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    [ -f "$examples" ] || die "there are no example payloads: run tests/setup/npm.sh"
    # The published pull_request.opened of 23,633 bytes, written as GitHub sends it: without white space.
    node -e '
        const [from, to] = process.argv.slice(1), fs = require("fs");
        const pulls = JSON.parse(fs.readFileSync(from)).find((event) => event.name === "pull_request").examples;
        const sized = pulls.filter((body) => body.action === "opened").map((body) => JSON.stringify(body));
        fs.writeFileSync(to, sized.find((body) => body.length === 23633));
    ' "$examples" "$work/payload.json"
    cat >"$work/hooks.json" <<JSON
[{ "id": "github", "execute-command": "/bin/true", "trigger-rule": { "match": { "type": "payload-hmac-sha256",
   "secret": "$WEBHOOK_SECRET", "parameter": { "source": "header", "name": "X-Hub-Signature-256" } } } }]
JSON
}

start() {
    "$@" >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        kill -0 "$server" 2>/dev/null || die "$1 ended at once: $(tail -n 3 "$work/server.log")"
        if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then return 0; fi
        sleep 0.1
    done
    die "$1 does not listen on 127.0.0.1:$PORT: $(tail -n 3 "$work/server.log")"
}

stop() {
    [ -n "${server:-}" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
trap stop EXIT

# Processor time of a process and of its children that have ended. The name in brackets may hold anything.
cpu_ms() {
    sed 's/.*) //' "/proc/$1/stat" | awk -v tick="$(getconf CLK_TCK)" '{ print int(($12 + $13 + $14 + $15) * 1000 / tick) }'
}

# measure NAME PATH COMMAND...
measure() {
    local name=$1 path=$2 count result
    shift 2
    for count in "${connections[@]}"; do
        start "$@"
        result=$("$load" --port "$PORT" --path "$path" --payload "$work/payload.json" --connections "$count" \
            --seconds "$seconds" --warmup-seconds 2)
        rss=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
        cpu=$(cpu_ms "$server")
        stop
        printf '{"server":"%s","rss_peak_mib":%s,"cpu_ms":%s,%s\n' "$name" "$rss" "$cpu" "${result#\{}" |
            tee -a "$work/runs.jsonl" >&2
    done
}

say "building"
(cd "$root" && cargo build --release --quiet -p gatewright-webhook --examples)
load="$root/target/release/examples/load"
gatewright=("$@")
name=gatewright
if [ $# -eq 0 ]; then
    gatewright=("$root/target/release/examples/intake_server")
    name="gatewright (keeps nothing)"
fi
install_probot
install_webhook
make_inputs
: >"$work/runs.jsonl"
for round in $(seq "$rounds"); do
    say "round $round of $rounds"
    measure "$name" /webhooks/github "${gatewright[@]}"
    measure probot /webhooks/github env NODE_ENV=production node "$tools/bench-npm/probot.mjs"
    measure "Debian webhook" /hooks/github "$webhook" -hooks "$work/hooks.json" -ip 127.0.0.1 -port "$PORT"
done
node "$here/table.mjs" <"$work/runs.jsonl"
