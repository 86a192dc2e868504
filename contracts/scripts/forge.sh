#!/usr/bin/env bash
# Runs forge itself. The command that npm puts on PATH is a wrapper that ends with 0 whatever forge ends with, so that a
# failing test, a format that is off or a source that does not compile would pass for good.
set -euo pipefail
contracts="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
for forge in "$contracts"/node_modules/@foundry-rs/forge-*/bin/forge; do
    [ ! -x "$forge" ] || exec "$forge" "$@"
done
exec forge "$@"
