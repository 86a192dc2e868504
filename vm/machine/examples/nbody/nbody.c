/* Five bodies that attract each other, in doubles: 16 macro steps of 4 time steps each, then the output is judged.
 *
 * The request's bytes choose where the bodies start. The output is five zero bytes (an answer without token ids), then 16
 * doubles, little-endian: the total energy, and x, y, z of each body. Every operation is one IEEE 754 operation, in the order
 * written here, so that whoever repeats them gets the same bits.
 *
 * `step` returns 0 to be called again, 1 if the output is right (exit 0), 2 if it is not (exit 1).
 */
#include <stdint.h>

enum { BODIES = 5, ROUNDS = 16, TIME_STEPS = 4, REQUEST = 0, OUTPUT = 1, ENVELOPE = 5, RESULT = 8 * (1 + 3 * BODIES) };

/* The shadow stack lies below 64 KiB, and nobody needs it between two macro steps. */
__asm__(".section .custom_section.assay,\"\",@\n"
        ".ascii \"volatile_log2=16\\nmax_pages=2\\n\"\n");

__attribute__((import_module("assay"), import_name("read"))) void rom_read(uint32_t rom, uint64_t offset, void *to,
                                                                        uint32_t length);

typedef struct {
    double at[3], speed[3], mass;
} Body;

static Body bodies[BODIES];
static uint32_t rounds;

static double squared_distance(const Body *a, const Body *b, double apart[3]) {
    double sum = 0.0009765625; /* softens collisions: no division by zero */
    for (int k = 0; k < 3; k++) {
        apart[k] = a->at[k] - b->at[k];
        sum += apart[k] * apart[k];
    }
    return sum;
}

static void advance(double dt) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double apart[3];
            double square = squared_distance(&bodies[i], &bodies[j], apart);
            double pull = dt / (square * __builtin_sqrt(square));
            for (int k = 0; k < 3; k++) {
                bodies[i].speed[k] -= apart[k] * (bodies[j].mass * pull);
                bodies[j].speed[k] += apart[k] * (bodies[i].mass * pull);
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) bodies[i].at[k] += dt * bodies[i].speed[k];
}

static double energy(void) {
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const double *v = bodies[i].speed;
        sum += 0.5 * bodies[i].mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        for (int j = i + 1; j < BODIES; j++) {
            double apart[3];
            double square = squared_distance(&bodies[i], &bodies[j], apart);
            sum -= bodies[i].mass * bodies[j].mass / __builtin_sqrt(square);
        }
    }
    return sum;
}

/* FNV-1a of the request, 64 bytes at a time. */
static uint64_t seed(void) {
    uint8_t bytes[64];
    uint64_t length, hash = 0xcbf29ce484222325;
    rom_read(REQUEST, 0, &length, 8);
    for (uint64_t done = 0; done < length;) {
        uint32_t n = length - done < 64 ? (uint32_t)(length - done) : 64;
        rom_read(REQUEST, 8 + done, bytes, n);
        for (uint32_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
        done += n;
    }
    return hash ? hash : 1;
}

/* xorshift64*; a number in [-1, 1). */
static double draw(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((int64_t)(*state * 0x2545f4914f6cdd1d) >> 11) * (1.0 / 4503599627370496.0);
}

static void place(void) {
    uint64_t state = seed();
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) bodies[i].at[k] = draw(&state);
        for (int k = 0; k < 3; k++) bodies[i].speed[k] = 0.25 * draw(&state);
        bodies[i].mass = 1.25 + draw(&state);
    }
}

static int is_claimed(void) {
    uint64_t length;
    uint8_t envelope[ENVELOPE], claimed[RESULT];
    double result[1 + 3 * BODIES];
    rom_read(OUTPUT, 0, &length, 8);
    if (length != ENVELOPE + RESULT) return 0;
    rom_read(OUTPUT, 8, envelope, ENVELOPE);
    rom_read(OUTPUT, 8 + ENVELOPE, claimed, RESULT);
    result[0] = energy();
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) result[1 + 3 * i + k] = bodies[i].at[k];
    uint8_t different = 0;
    for (int i = 0; i < ENVELOPE; i++) different |= envelope[i];
    for (int i = 0; i < RESULT; i++) different |= claimed[i] ^ ((const uint8_t *)result)[i];
    return different == 0;
}

__attribute__((export_name("step"))) int32_t step(void) {
    if (rounds == 0) place();
    for (int i = 0; i < TIME_STEPS; i++) advance(0.0078125);
    if (++rounds < ROUNDS) return 0;
    return is_claimed() ? 1 : 2;
}
