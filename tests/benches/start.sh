#!/usr/bin/env bash
# From the start of the process to its first ready answer, and its memory once idle. Usage: start.sh GATEWRIGHT [ROUNDS]
set -euo pipefail
binary=$(realpath "$1")
rounds=${2:-10}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
openssl genrsa -traditional -out "$dir/app.pem" 2048 2>/dev/null
port=$((20000 + RANDOM % 20000))
cat > "$dir/gatewright.toml" <<T
[server]
listen = "127.0.0.1:$port"
[[forge]]
kind = "github"
api_url = "http://127.0.0.1:9"
app_id = 1
private_key = "file:./app.pem"
webhook_secret = "env:BENCH_SECRET"
[log]
level = "error"
T
export BENCH_SECRET="a secret of the bench"
times=()
for _ in $(seq "$rounds"); do
    start=$(date +%s%N)
    "$binary" serve --config "$dir/gatewright.toml" 2>/dev/null &
    pid=$!
    until curl -sf "http://127.0.0.1:$port/healthz" >/dev/null; do :; done
    times+=($((($(date +%s%N) - start) / 1000000)))
    sleep 1
    memory=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")
    kill "$pid"
    wait "$pid" || true
done
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
echo "start to first answer, $rounds starts: median ${sorted[$((rounds / 2))]} ms, max ${sorted[-1]} ms"
echo "idle memory: $((memory / 1024)) MiB"
