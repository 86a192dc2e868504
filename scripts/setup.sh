#!/usr/bin/env bash
# Installs what a build needs and does not have yet: Debian/Ubuntu packages, and anvil from npm unless PATH has it.
# With --contracts also forge and the Solidity compiler. Does nothing when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly ANVIL_VERSION=1.7

with_contracts=no
[ "${1:-}" != --contracts ] || with_contracts=yes

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Packages whose command or file is missing.
missing_packages() {
    have cc || have gcc || echo gcc
    have c++ || have g++ || echo g++
    have make || echo make
    have cmake || echo cmake
    have clang || echo clang
    have pkg-config || echo pkg-config
    ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* >/dev/null 2>&1 || echo libclang-dev
    if ! has_tools; then
        have node || echo nodejs
        have npm || echo npm
    fi
}

# Whether the tools are there in the right version, on PATH or from an earlier `npm ci`.
has_tools() {
    has_tool anvil || return 1
    [ "$with_contracts" = no ] || { has_tool forge && [ -d contracts/node_modules/solc ]; }
}

has_tool() {
    version_fits "contracts/node_modules/.bin/$1" || version_fits "$1"
}

version_fits() {
    have "$1" || return 1
    "$1" --version 2>/dev/null | grep -Eiq "version:? *(v)?${ANVIL_VERSION//./\\.}(\.|-|$)"
}

install_packages() {
    local packages=("$@") sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    if ! have apt-get; then
        die "please install with your package manager, then run this again: ${packages[*]} (these are Debian's names)"
    fi
    if [ "${#sudo[@]}" -gt 0 ] && ! have sudo; then
        die "please run as root: apt-get install ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

export PATH="$PATH:$HOME/.cargo/bin"
if ! have cargo; then
    die "cargo is missing: install Rust from https://rustup.rs (the pinned version is in rust-toolchain.toml)"
fi

mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
fi

if ! has_tools; then
    say "npm ci in contracts/ (anvil, forge, solc)"
    (cd contracts && npm ci --no-audit --no-fund --loglevel=error)
    has_tools || die "npm ci did not bring the tools in version ${ANVIL_VERSION}.x: look at contracts/package-lock.json"
fi

# A test run whose failures nobody hears is no test run.
if [ "$with_contracts" = yes ] && contracts/scripts/forge.sh --no-such-flag >/dev/null 2>&1; then
    die "forge fails without saying so in its exit status: run \`npm ci\` in contracts/"
fi
