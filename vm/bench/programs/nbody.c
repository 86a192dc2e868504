// The sun and four planets in f64: leapfrog steps, then the bits of the energy.

#include <stdint.h>

#define STEPS 20
#define ROUNDS 16000
#define BODIES 5

struct body {
    double at[3], speed[3], mass;
};

// Distances in astronomical units, days for time, masses of the sun; the sun stands still at first.
static struct body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 1},
    {{-3.5, 4.1, 0.06}, {-0.0054, -0.0047, 0.0001}, 9.547e-4},
    {{8.9, -4.2, -0.28}, {0.0021, 0.0050, -0.0002}, 2.858e-4},
    {{14.2, 13.7, -0.13}, {-0.0028, 0.0026, 0.00005}, 4.366e-5},
    {{29.4, -5.4, -0.57}, {0.0005, 0.0031, -0.00008}, 5.151e-5},
};
static const double gravity = 2.959122e-4, day = 4;
static uint32_t taken;

static void advance(void) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = a->at[k] - b->at[k];
                square += d[k] * d[k];
            }
            double pull = gravity * day / (square * __builtin_sqrt(square));
            for (int k = 0; k < 3; k++) {
                a->speed[k] -= d[k] * b->mass * pull;
                b->speed[k] += d[k] * a->mass * pull;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) bodies[i].at[k] += day * bodies[i].speed[k];
}

static double energy(void) {
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        double square = 0;
        for (int k = 0; k < 3; k++) square += a->speed[k] * a->speed[k];
        sum += a->mass * square / 2;
        for (int j = i + 1; j < BODIES; j++) {
            square = 0;
            for (int k = 0; k < 3; k++) {
                double d = a->at[k] - bodies[j].at[k];
                square += d * d;
            }
            sum -= gravity * a->mass * bodies[j].mass / __builtin_sqrt(square);
        }
    }
    return sum;
}

__attribute__((export_name("step"))) int step(void) {
    for (int i = 0; i < ROUNDS; i++) advance();
    union {
        double number;
        uint64_t bits;
    } end = {energy()};
    return ++taken < STEPS ? 0 : 1 + (int)(end.bits >> 8 & 0xffffff);
}
