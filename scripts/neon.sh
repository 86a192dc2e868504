#!/usr/bin/env bash
# Tests the ARM kernels on any Linux: builds assay-inference for aarch64 and runs what compares levels under an emulated processor with dot
# products and one without. Installs the cross linker and the emulator where they are missing.
# Exits 3, and says so loudly, where they or the Rust target can't be had: then nothing was tested.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TARGET=aarch64-unknown-linux-gnu
readonly LIBRARIES=/usr/aarch64-linux-gnu
readonly UNAVAILABLE=3

say() { printf 'neon: %s\n' "$*" >&2; }
unavailable() {
    say '***********************************************************'
    say "NOT TESTED: $*"
    say 'The ARM kernels were neither built nor run.'
    say '***********************************************************'
    exit "$UNAVAILABLE"
}
have() { command -v "$1" >/dev/null 2>&1; }

# Packages whose command or file is missing.
missing_packages() {
    have aarch64-linux-gnu-gcc || echo gcc-aarch64-linux-gnu
    [ -f $LIBRARIES/lib/libc.so.6 ] || echo libc6-dev-arm64-cross
    have qemu-aarch64 || echo qemu-user
}

install_packages() {
    local packages as_root=()
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} -gt 0 ] || return 0
    have apt-get || unavailable "no apt-get to install ${packages[*]} with"
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    [ ${#as_root[@]} = 0 ] || have sudo || unavailable "installing ${packages[*]} needs root or sudo"
    say "installing ${packages[*]}"
    "${as_root[@]}" apt-get update -q >/dev/null || say 'apt-get update failed; trying with the lists that are there'
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${packages[@]}" >/dev/null ||
        unavailable "${packages[*]} can't be installed"
}

add_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET/lib" ] && return 0
    have rustup || unavailable "no rustup to add the target $TARGET with"
    rustup target add $TARGET >/dev/null 2>&1 || unavailable "the target $TARGET can't be added"
}

# Tests that hold levels to each other, on the processor that $1 names to the emulator; its best level is $2.
run_tests() {
    say "on ${1:-this processor}, level $2"
    if [ -n "$1" ]; then
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $1 -L $LIBRARIES"
    fi
    local log
    log=$(mktemp)
    ASSAY_BEST_LEVEL=$2 cargo test --release -p assay-inference --target $TARGET \
        --lib --test levels --test agree -- kernels:: every_processor a_fault changed_modes 2>&1 | tee "$log"
    # A filter that meets nothing would pass too.
    local passed
    passed=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
    rm -f "$log"
    [ "$passed" = 6 ] || { say "6 tests were meant to pass, $passed did" && exit 1; }
}

if [ "$(uname -m)" = aarch64 ]; then
    best=NEON
    ! grep -qw asimddp /proc/cpuinfo || best='NEON dotprod'
    run_tests '' "$best"
else
    install_packages
    add_target
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    run_tests max 'NEON dotprod'
    run_tests cortex-a53 NEON
fi
say 'every level gives the same bits'
