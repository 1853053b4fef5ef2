#!/usr/bin/env bash
# All figures of docs/performance.md, in one session. Takes some 45 minutes on 2 cores, most of it building.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --quiet --release --package gatewright
echo "== start and memory"
tests/benches/start.sh target/release/gatewright
echo "== delivery to check in progress"
cargo bench --quiet --package gatewright-tests --bench latency
echo "== comments to reactions"
cargo bench --quiet --package gatewright-tests --bench commands
echo "== many pull requests at once, under the forges' limits"
cargo bench --quiet --package gatewright-tests --bench mass
echo "== rollouts: ways back, a hundred releases under load, 200 at once"
cargo bench --quiet --package gatewright-tests --bench rollouts
echo "== sandbox against docker run"
cargo bench --quiet --package gatewright-sandbox --bench overhead
echo "== how often the benchmark gate is wrong"
cargo bench --quiet --package gatewright-engine --bench interleaved
echo "== how often the analysis of rollouts is wrong"
cargo bench --quiet --package gatewright-simulate --bench grid
echo "== report readers"
cargo bench --quiet --package gatewright-reports
echo "== report readers, against others"
app/reports/benches/peers/run.sh
echo "== journal of 1,000, 100,000 and 1,000,000 runs"
cargo bench --quiet --package gatewright-store --bench journal
echo "== intake against probot and webhook"
tests/benches/intake/run.sh tests/benches/intake/gatewright.sh target/release/gatewright
