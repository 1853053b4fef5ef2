#!/usr/bin/env bash
# Starts the real service for run.sh, with a store of its own that is thrown away: every delivery is on disk before it is
# acknowledged. Its forge is an address of this machine where nobody answers.
#
#   tests/benches/intake/run.sh tests/benches/intake/gatewright.sh target/release/gatewright
set -euo pipefail

binary=$1
data="$(cd "$(dirname "$0")/../../.." && pwd)/.tools/bench-intake/service"
rm -rf "$data"
mkdir -p "$data"
openssl genrsa -traditional -out "$data/app.pem" 2048 2>/dev/null
cat >"$data/gatewright.toml" <<TOML
[server]
listen = "127.0.0.1:$PORT"

[store]
url = "sled:$data/store"

[[forge]]
kind = "github"
api_url = "http://127.0.0.1:9"
app_id = 1
private_key = "file:$data/app.pem"
webhook_secret = "env:WEBHOOK_SECRET"
TOML
exec "$binary" serve --config "$data/gatewright.toml"
