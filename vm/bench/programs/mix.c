// List, matrix, state machine and CRC work in turn, each fed with what the one before gave.

#include <stdint.h>

#define STEPS 20
#define ROUNDS 140
#define NODES 96
#define SIDE 12
#define TEXT 400

struct node {
    struct node *next;
    int16_t key;
    int16_t value;
};

static struct node nodes[NODES];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static char text[TEXT + 1];
static uint32_t seed = 0x2545f491;
static uint32_t taken;
static uint16_t crc;

static uint32_t draw(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static uint16_t crc_byte(uint16_t sum, uint8_t byte) {
    sum ^= byte;
    for (int bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1;
    return sum;
}

static uint16_t crc_word(uint16_t sum, uint32_t word) {
    for (int i = 0; i < 4; i++) sum = crc_byte(sum, word >> 8 * i);
    return sum;
}

// ---- lists ----

static struct node *make_list(void) {
    for (int i = 0; i < NODES; i++) {
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : 0;
        nodes[i].key = draw();
        nodes[i].value = i;
    }
    return nodes;
}

static struct node *reverse(struct node *list) {
    struct node *done = 0;
    while (list) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static struct node *merge(struct node *a, struct node *b) {
    struct node head, *last = &head;
    while (a && b) {
        struct node **from = a->key <= b->key ? &a : &b;
        last = last->next = *from;
        *from = (*from)->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list) {
    struct node *bins[8] = {0};
    while (list) {
        struct node *run = list;
        list = list->next;
        run->next = 0;
        int i = 0;
        for (; i < 7 && bins[i]; i++) {
            run = merge(bins[i], run);
            bins[i] = 0;
        }
        bins[i] = bins[i] ? merge(bins[i], run) : run;
    }
    struct node *all = 0;
    for (int i = 0; i < 8; i++) all = bins[i] ? all ? merge(bins[i], all) : bins[i] : all;
    return all;
}

static int find(const struct node *list, int16_t value) {
    int steps = 0;
    while (list && list->value != value) {
        list = list->next;
        steps++;
    }
    return steps;
}

static uint16_t lists(uint16_t sum) {
    struct node *list = make_list();
    int found = 0;
    for (int i = 0; i < 12; i++) {
        found += find(list, draw() % (NODES + 8));
        list = reverse(list);
    }
    list = sort(list);
    for (struct node *n = list; n; n = n->next) sum = crc_byte(sum, n->key ^ n->value);
    return crc_word(sum, found);
}

// ---- matrices ----

static uint16_t matrices(uint16_t sum) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = draw() % 200 - 100;
            right[i][j] = sum + i * j;
        }
    int32_t trace = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t dot = 0;
            for (int k = 0; k < SIDE; k++) dot += left[i][k] * right[k][j];
            product[i][j] = dot;
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t field = (product[i][j] >> 2 & 0x0f) * (product[j][i] >> 5 & 0x7f);
            trace += field > 500 ? 10 : field;
        }
    return crc_word(sum, trace);
}

// ---- a state machine that tells integers, fractions and powers apart ----

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, POWER, WRONG, STATES };

static enum state next_state(enum state state, char c) {
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START:
        return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : WRONG;
    case SIGN:
        return digit ? INTEGER : c == '.' ? FRACTION : WRONG;
    case INTEGER:
        return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : WRONG;
    case FRACTION:
        return digit ? FRACTION : c == 'e' ? EXPONENT : WRONG;
    case EXPONENT:
        return digit ? POWER : c == '+' || c == '-' ? EXPONENT_SIGN : WRONG;
    case EXPONENT_SIGN:
    case POWER:
        return digit ? POWER : WRONG;
    default:
        return WRONG;
    }
}

static uint16_t texts(uint16_t sum) {
    static const char letters[] = "0123456789.e+-,,9876543210,x,.12";
    uint32_t counts[STATES] = {0};
    for (int i = 0; i < TEXT; i++) text[i] = letters[draw() >> 9 & 31];
    enum state state = START;
    for (const char *at = text; *at; at++) {
        if (*at == ',') {
            counts[state]++;
            state = START;
        } else {
            state = next_state(state, *at);
        }
    }
    for (int i = 0; i < STATES; i++) sum = crc_word(sum, counts[i]);
    return sum;
}

__attribute__((export_name("step"))) int step(void) {
    for (int i = 0; i < ROUNDS; i++) crc = texts(matrices(lists(crc)));
    return ++taken < STEPS ? 0 : 1 + crc;
}
