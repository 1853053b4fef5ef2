#!/usr/bin/env bash
# Installs and starts everything that the demo, the tests and the benches need. Quick and silent where all is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for step in install engine image site npm python; do
    bash "$here/$step.sh"
done
