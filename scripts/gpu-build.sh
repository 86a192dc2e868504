#!/usr/bin/env bash
# Builds llama.cpp's shared libraries for NVIDIA cards, for a binary that was built with `--features dynamic-link`:
#   scripts/gpu-build.sh SOURCE OUT
# SOURCE is the llama.cpp folder of the crate llama-cpp-sys-2 that the binary was built with: the libraries must be of the same
# source. Run the binary with LD_LIBRARY_PATH=OUT. Needs cmake, a C++ compiler and nvcc. ASSAY_CUDA_ARCH (90: Hopper) picks the cards.
set -euo pipefail

if [ $# -ne 2 ] || [ ! -f "$1/CMakeLists.txt" ]; then
    echo "usage: $0 SOURCE OUT (SOURCE: llama.cpp's folder in the crate llama-cpp-sys-2)" >&2
    exit 2
fi
source=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
generator=()
! command -v ninja >/dev/null || generator=(-G Ninja)
# As the crate builds it: no processor features beyond AVX2, no OpenMP.
cmake -S "$source" -B "$out/build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
    -DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF -DCMAKE_CUDA_ARCHITECTURES="${ASSAY_CUDA_ARCH:-90}" \
    -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_APP=OFF
cmake --build "$out/build" --target llama --parallel "$(nproc)"
find "$out/build" -name 'lib*.so*' -exec cp -a {} "$out" \;
ls "$out"/lib*.so*
