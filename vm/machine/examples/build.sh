#!/bin/sh
# Builds auction.wasm (Rust) and nbody.wasm (C), byte for byte the committed ones with the compilers that examples.lock names,
# and writes their hashes there. `build.sh --check` changes nothing: it builds with whichever of those compilers are here and
# fails where the bytes differ. Rust needs its target wasm32-unknown-unknown; C needs clang. Both link with Rust's own lld.
set -eu
cd "$(dirname "$0")"
out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
sysroot="$(rustc --print sysroot)"
host="$(rustc -vV | sed -n 's/^host: //p')"
rust="$(rustc --version | cut -d' ' -f2)"
clang="$(clang -dumpversion 2>/dev/null || echo none)"

build_rust() {
    rustc --edition 2024 --crate-type cdylib --target wasm32-unknown-unknown -C panic=abort -C opt-level=2 -C strip=debuginfo \
        -C target-cpu=mvp -C target-feature=+mutable-globals,+sign-ext,+bulk-memory,+nontrapping-fptoint \
        -C link-arg=--stack-first -C link-arg=-zstack-size=65536 \
        --remap-path-prefix="$PWD=/assay" --remap-path-prefix="$sysroot=/rust" auction/auction.rs -o "$out/auction.wasm"
}

build_c() {
    clang --target=wasm32-unknown-unknown -mcpu=mvp -mbulk-memory -msign-ext -mnontrapping-fptoint -std=c11 -O2 -Wall -Wextra \
        -Werror -ffreestanding -nostdlib -ffp-contract=off -fno-ident -c nbody/nbody.c -o "$out/nbody.o"
    "$sysroot/lib/rustlib/$host/bin/rust-lld" -flavor wasm --no-entry --stack-first -z stack-size=65536 --strip-debug \
        "$out/nbody.o" -o "$out/nbody.wasm"
}

# The value of a key of the lock file.
locked() { sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" examples.lock; }

if [ "${1:-}" = --check ]; then
    if [ "$rust" = "$(locked rustc)" ] && [ -d "$sysroot/lib/rustlib/wasm32-unknown-unknown" ]; then
        build_rust
        cmp "$out/auction.wasm" auction/auction.wasm
        echo "auction.wasm is what rustc $rust builds"
    else
        echo "no rustc $(locked rustc) for wasm32 here: auction.wasm is held to examples.lock only"
    fi
    if [ "$rust" = "$(locked rustc)" ] && [ "$clang" = "$(locked clang)" ]; then
        build_c
        cmp "$out/nbody.wasm" nbody/nbody.wasm
        echo "nbody.wasm is what clang $clang builds"
    else
        echo "no clang $(locked clang) here: nbody.wasm is held to examples.lock only"
    fi
else
    build_rust
    build_c
    install -m 644 "$out/auction.wasm" auction/
    install -m 644 "$out/nbody.wasm" nbody/
    hash() { sha256sum "$1" | cut -d' ' -f1; }
    {
        echo '# What the .wasm files here are and what built them. `build.sh` writes this file.'
        echo "rustc = \"$rust\""
        echo "clang = \"$clang\""
        echo "sources = \"$(./sources.sh)\""
        echo "auction = \"$(hash auction/auction.wasm)\""
        echo "nbody = \"$(hash nbody/nbody.wasm)\""
    } >examples.lock
    cat examples.lock
fi
