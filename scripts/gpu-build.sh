#!/usr/bin/env bash
# Builds llama.cpp for NVIDIA cards as shared libraries, where the card and the CUDA toolkit are: a binary that was built
# elsewhere with `--features dynamic-link` takes them by LD_LIBRARY_PATH. No Rust is needed.
#
#   scripts/gpu-build.sh SRC OUT [CMAKE_OPTION...]
#
# SRC is the llama.cpp of the llama-cpp-sys-2 that the binary was built with; the libraries come to OUT/lib. Options go to
# cmake after the script's own, so they win: -DCMAKE_CUDA_ARCHITECTURES=80 for an A100, -DGGML_CUDA=OFF for none.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
mkdir -p "$2/build"
src=$(cd "$1" && pwd)
out=$(cd "$2" && pwd)
shift 2

generator=()
if command -v ninja >/dev/null; then generator=(-G Ninja); fi
command -v nvcc >/dev/null || export PATH="$PATH:/usr/local/cuda/bin"

# The processor's part is as the crate builds it, for AVX2 without AVX-512: rates then compare with the default build.
cmake -S "$src" -B "$out/build" "${generator[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=90 -DGGML_CUDA_NCCL=OFF \
    -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON -DGGML_FMA=ON -DGGML_F16C=ON \
    -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF "$@"
cmake --build "$out/build" --parallel "$(nproc)" --target llama

# Links and all: the binary asks for the versioned names.
mkdir -p "$out/lib"
find "$out/build" -name '*.so*' -exec cp -a {} "$out/lib/" \;
ls -l "$out/lib"
