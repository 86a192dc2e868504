// Products of int8 matrices with 128-bit vectors: sixteen pairs at a time, summed in i32 lanes.

#include <stdint.h>
#include <wasm_simd128.h>

#define STEPS 20
#define ROUNDS 16
#define SIDE 96

static int8_t left[SIDE][SIDE] __attribute__((aligned(16)));
// Transposed, so that rows meet rows.
static int8_t right[SIDE][SIDE] __attribute__((aligned(16)));
static int32_t product[SIDE][SIDE];
static uint32_t taken;
static uint32_t seed = 12345;

static int8_t draw(void) {
    seed = seed * 1103515245 + 12345;
    return seed >> 16;
}

static void fill(void) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = draw();
            right[i][j] = draw();
        }
}

static int32_t dot(const int8_t *a, const int8_t *b) {
    v128_t sum = wasm_i32x4_splat(0);
    for (int k = 0; k < SIDE; k += 16) {
        v128_t x = wasm_v128_load(a + k), y = wasm_v128_load(b + k);
        v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(x), wasm_i16x8_extend_low_i8x16(y));
        v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(x), wasm_i16x8_extend_high_i8x16(y));
        sum = wasm_i32x4_add(sum, wasm_i32x4_add(low, high));
    }
    return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1) + wasm_i32x4_extract_lane(sum, 2) +
           wasm_i32x4_extract_lane(sum, 3);
}

__attribute__((export_name("step"))) int step(void) {
    if (taken == 0) fill();
    uint32_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) product[i][j] = dot(left[i], right[j]);
        // What comes out goes in again, so that no round may be left out.
        for (int i = 0; i < SIDE; i++) {
            sum = sum * 31 + (uint32_t)product[i][SIDE - 1 - i];
            left[i][round] = sum >> 8;
        }
    }
    return ++taken < STEPS ? 0 : 1 + (sum & 0xffffff);
}
