#!/bin/sh
# Builds the programs' .wasm with clang and wasm-ld (Debian's packages clang and lld), and writes programs.lock: the
# hashes of sources and results. A test compares them, so that neither CI nor `make bench` needs a C compiler.
set -eu
cd "$(dirname "$0")"
flags="--target=wasm32-unknown-unknown -O3 -ffreestanding -nostdlib -Wall -Werror"
flags="$flags -mbulk-memory -msign-ext -mnontrapping-fptoint -mmutable-globals"
flags="$flags -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-zstack-size=16384"
{
    echo "# What the programs are and what built them. \`build.sh\` writes these lines."
    echo "clang = \"$(clang --version | sed -n 's/.*version \([0-9.]*\).*/\1/p' | head -1)\""
    for source in *.c; do
        name="${source%.c}"
        simd=""
        [ "$name" != matmul_i8 ] || simd="-msimd128"
        # Unquoted: lists of flags.
        clang $flags $simd -o "$name.wasm" "$source"
        echo
        echo "[$name]"
        echo "source = \"$(sha256sum "$source" | cut -d' ' -f1)\""
        echo "wasm = \"$(sha256sum "$name.wasm" | cut -d' ' -f1)\""
    done
} >programs.lock
