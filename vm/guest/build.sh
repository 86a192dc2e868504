#!/bin/sh
# Builds guest.wasm, byte for byte the committed one with the compiler that guest.lock names, and writes its hash there.
# `build.sh --check` changes nothing and fails where the bytes differ.
set -eu
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-$PWD/target}"
flags="-C target-cpu=mvp -C target-feature=+mutable-globals,+sign-ext,+bulk-memory,+nontrapping-fptoint,+simd128"
# Shadow stack at the bottom, constants from 1 MiB on, 2 MiB before the arena grows, less than 2 GiB after.
flags="$flags -C link-arg=--stack-first -C link-arg=-zstack-size=524288 -C link-arg=--global-base=1048576"
flags="$flags -C link-arg=--initial-memory=2097152 -C link-arg=--max-memory=2147418112"
# No path of this machine gets into the file.
flags="$flags --remap-path-prefix=$(cd .. && pwd)=/assay/vm --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
flags="$flags --remap-path-prefix=$(rustc --print sysroot)=/rust"
CARGO_ENCODED_RUSTFLAGS="$(printf %s "$flags" | tr ' ' '\037')" \
    cargo build --quiet --locked --release --target wasm32-unknown-unknown --target-dir "$target"
built="$target/wasm32-unknown-unknown/release/assay_guest.wasm"
if [ "${1:-}" = --check ]; then
    cmp "$built" guest.wasm && echo "guest.wasm is what $(rustc --version) builds"
else
    cp "$built" guest.wasm
    hash="$(sha256sum guest.wasm | cut -d' ' -f1)"
    sources="$(./sources.sh)"
    sed -i "s/^sources = .*/sources = \"$sources\"/; s/^sha256 = .*/sha256 = \"$hash\"/; s/^rustc = .*/rustc = \"$(rustc --version | cut -d' ' -f2)\"/" guest.lock
    echo "guest.wasm $hash"
fi
