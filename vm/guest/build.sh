#!/bin/sh
# Builds guest.wasm, byte for byte the committed one with the compiler of guest.lock. `build.sh --check` only compares.
set -eu
cd "$(dirname "$0")"
flags="-C target-cpu=mvp -C target-feature=+mutable-globals,+sign-ext,+bulk-memory,+nontrapping-fptoint"
flags="$flags -C link-arg=--stack-first -C link-arg=-zstack-size=524288 -C link-arg=--global-base=1048576"
flags="$flags -C link-arg=--initial-memory=2097152 -C link-arg=--max-memory=2147418112"
flags="$flags --remap-path-prefix=$(cd .. && pwd)=/assay/vm --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
flags="$flags --remap-path-prefix=$(rustc --print sysroot)=/rust"
CARGO_ENCODED_RUSTFLAGS="$(printf %s "$flags" | sed 's/ /\x1f/g')" \
    cargo build --quiet --locked --release --target wasm32-unknown-unknown --target-dir "${CARGO_TARGET_DIR:-target}"
built="${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/assay_guest.wasm"
if [ "${1:-}" = --check ]; then
    cmp "$built" guest.wasm
else
    cp "$built" guest.wasm
fi
sha256sum guest.wasm
rustc --version
