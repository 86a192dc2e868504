#!/bin/sh
# Prints the sha256 of the sources that the committed .wasm files here are built from.
set -eu
cd "$(dirname "$0")/../.."
printf '%s\n' machine/examples/auction/auction.rs machine/examples/nbody/nbody.c machine/examples/build.sh | ./hash.sh
