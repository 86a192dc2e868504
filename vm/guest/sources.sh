#!/bin/sh
# Prints the sha256 of the sources that guest.wasm is built from: names and contents, in the order of their names.
set -eu
cd "$(dirname "$0")/.."
find guest/Cargo.toml guest/Cargo.lock guest/src inference/Cargo.toml inference/src -type f \
    ! -path 'inference/src/native/*' ! -path 'inference/src/testing*' | ./hash.sh
