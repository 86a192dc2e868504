#!/usr/bin/env bash
# Begins a dApp in a new folder: the template, and under lib/assay the contracts and the mock that it imports.
#   scripts/dapp.sh DIR          makes DIR; there, `forge test` runs
#   scripts/dapp.sh --test       makes one in a temporary folder and runs its tests with the tools of package-lock.json
set -euo pipefail
contracts="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

begin() {
    mkdir -p "$(dirname "$1")"
    mkdir "$1" 2>/dev/null || { echo "$1 is there already, or can't be made: name a new folder" >&2; exit 1; }
    cp -R "$contracts/template/." "$1"
    mkdir -p "$1/lib/assay"
    cp -R "$contracts/src" "$contracts/mock" "$1/lib/assay"
}

case "${1:-}" in
    "" | -h | --help)
        sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
        ;;
    --test)
        dir="$(mktemp -d)"
        trap 'rm -rf "$dir"' EXIT
        begin "$dir/dapp"
        cd "$dir/dapp"
        FOUNDRY_SOLC="$contracts/scripts/solc.js" "$contracts/scripts/forge.sh" test --offline
        ;;
    *)
        begin "$1"
        echo "A dApp that asks Assay is in $1; there: forge test"
        ;;
esac
