#!/usr/bin/env bash
# Fuzzes what reads what others write: every target for SECONDS_EACH seconds (60), or those whose names are given. Where one fails, cargo-fuzz
# says which input did it and keeps it beside the target, and the exit code is 1.
#
#   tests/fuzz.sh [TARGET...]
#
# Needs cargo-fuzz (`cargo install cargo-fuzz`). What it asks of a nightly compiler a stable one does for it, too.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-fuzz >/dev/null || {
    echo "fuzz: cargo-fuzz is not installed: cargo install cargo-fuzz" >&2
    exit 3
}
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$PWD/target/fuzz"
failed=0
for file in webhook/fuzz/fuzz_targets/*.rs app/*/fuzz/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    [ $# -eq 0 ] || [[ " $* " == *" $target "* ]] || continue
    echo "fuzz: $target"
    cargo fuzz run --fuzz-dir "$(dirname "$(dirname "$file")")" "$target" -- \
        -max_total_time="${SECONDS_EACH:-60}" -rss_limit_mb=4096 -verbosity=0 || failed=1
done
exit "$failed"
