/* The packets of quotes of the msgpack feed (docs/wire_format.md), decoded by hand into columns. */

#ifndef QUOTES_H
#define QUOTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    QUOTES_ROWS = 8192, /* then the columns begin again */
    QUOTES_PADDING = 64 /* bytes behind a packet that may be read: no header or quote that is decoded is longer */
};

static const int64_t NO_PRICE = INT64_MIN;

struct quotes {
    uint64_t bid_size[QUOTES_ROWS], ask_size[QUOTES_ROWS], time_ns[QUOTES_ROWS];
    int64_t bid[QUOTES_ROWS], ask[QUOTES_ROWS];
    uint32_t instrument[QUOTES_ROWS];
    size_t len;
};

struct packet {
    uint64_t sequence, send_time_ns, messages, ask_size_sum;
};

/* The integer at `at`, sign-extended where it is a signed one, and what is behind it; 0 where it is something else. */
static inline const unsigned char *quotes_integer(const unsigned char *at, uint64_t *value) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    if (*at <= 0x7f || *at >= 0xe0) {
        *value = (uint64_t)(int64_t)(int8_t)*at;
        return at + 1;
    }
    switch (*at) {
    case 0xcc: *value = at[1]; return at + 2;
    case 0xcd: memcpy(&two, at + 1, 2); *value = __builtin_bswap16(two); return at + 3;
    case 0xce: memcpy(&four, at + 1, 4); *value = __builtin_bswap32(four); return at + 5;
    case 0xcf:
    case 0xd3: memcpy(&eight, at + 1, 8); *value = __builtin_bswap64(eight); return at + 9;
    case 0xd0: *value = (uint64_t)(int64_t)(int8_t)at[1]; return at + 2;
    case 0xd1: memcpy(&two, at + 1, 2); *value = (uint64_t)(int64_t)(int16_t)__builtin_bswap16(two); return at + 3;
    case 0xd2: memcpy(&four, at + 1, 4); *value = (uint64_t)(int64_t)(int32_t)__builtin_bswap32(four); return at + 5;
    default: return 0;
    }
}

static inline const unsigned char *quotes_price(const unsigned char *at, int64_t *price) {
    uint64_t value = 0;
    if (*at == 0xc0) {
        *price = NO_PRICE;
        return at + 1;
    }
    at = quotes_integer(at, &value);
    *price = (int64_t)value;
    return at;
}

/* The quote at `at` becomes a row; returns what is behind it, or 0 where it is none. */
static inline const unsigned char *quotes_row(struct quotes *quotes, const unsigned char *at) {
    uint64_t instrument;
    size_t row = quotes->len;
    if (at[0] != 0x97 || at[1] != 1) return 0;
    if (!(at = quotes_integer(at + 2, &instrument)) || !(at = quotes_price(at, &quotes->bid[row])) ||
        !(at = quotes_price(at, &quotes->ask[row])) || !(at = quotes_integer(at, &quotes->bid_size[row])) ||
        !(at = quotes_integer(at, &quotes->ask_size[row])) || !(at = quotes_integer(at, &quotes->time_ns[row])))
        return 0;
    quotes->instrument[row] = (uint32_t)instrument;
    quotes->len = row + 1 == QUOTES_ROWS ? 0 : row + 1;
    return at;
}

/* Decodes a packet, behind which QUOTES_PADDING bytes may be read. What is none, or ends too early, has fewer messages. */
static inline struct packet quotes_packet(struct quotes *quotes, const unsigned char *bytes, size_t len) {
    struct packet packet = {0};
    const unsigned char *at = bytes, *end = bytes + len;
    uint64_t count;
    if (at[0] != 0x95 || at[1] != 0 || (at[2] & 0xe0) != 0xa0) return packet;
    at += 3 + (at[2] & 0x1f);
    if (!(at = quotes_integer(at, &packet.sequence)) || !(at = quotes_integer(at, &count)) ||
        !(at = quotes_integer(at, &packet.send_time_ns)))
        return packet;
    for (uint64_t place = 0; place < count && at < end; place++) {
        size_t row = quotes->len;
        if (!(at = quotes_row(quotes, at)) || at > end) break;
        packet.ask_size_sum += quotes->ask_size[row];
        packet.messages++;
    }
    return packet;
}

#endif
