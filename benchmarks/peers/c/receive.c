/* Receives datagrams with recvmmsg, and does little with them: the yardstick of `feedhandler bench receive`.
 *
 *   receive count|decode|latency SECONDS RCVBUF CPU
 *
 * count    counts them
 * decode   decodes the msgpack quotes in them into arrays, by hand, and sums the ask sizes
 * latency  notes how long after the kernel's stamp recvmmsg returned
 *
 * It prints its port, waits for the first datagram, runs for SECONDS, and prints what it did as JSON. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, SLOT = 2048, ROWS = 8192, BUCKETS = 4096 };

struct quotes {
    uint64_t ask_size[ROWS], bid_size[ROWS], time[ROWS];
    int64_t bid[ROWS], ask[ROWS];
    uint32_t instrument[ROWS];
    size_t len;
};

static unsigned char slots[BATCH][SLOT];
static uint64_t controls[BATCH][16];
static struct quotes quotes;

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* The number at `from`, which is not negative, and what is behind it; 0 where it is something else. */
static const unsigned char *number(const unsigned char *from, uint64_t *value) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (*from) {
    case 0xcc: *value = from[1]; return from + 2;
    case 0xcd: memcpy(&two, from + 1, 2); *value = __builtin_bswap16(two); return from + 3;
    case 0xce: memcpy(&four, from + 1, 4); *value = __builtin_bswap32(four); return from + 5;
    case 0xcf: memcpy(&eight, from + 1, 8); *value = __builtin_bswap64(eight); return from + 9;
    default:
        if (*from > 0x7f) return 0;
        *value = *from;
        return from + 1;
    }
}

/* Decodes a packet of quotes; returns the sum of the ask sizes, and counts the messages. */
static uint64_t decode(const unsigned char *packet, size_t len, uint64_t *messages) {
    const unsigned char *at = packet + 2, *end = packet + len;
    uint64_t value, count, sum = 0;
    if (packet[0] != 0x95 || packet[1] != 0 || (*at & 0xe0) != 0xa0) return 0;
    at += 1 + (*at & 0x1f);
    if (!(at = number(at, &value)) || !(at = number(at, &count)) || !(at = number(at, &value))) return 0;
    for (uint64_t place = 0; place < count && at < end; place++) {
        uint64_t instrument, bid, ask, bid_size, ask_size, time;
        if (at[0] != 0x97 || at[1] != 1) return sum;
        if (!(at = number(at + 2, &instrument)) || !(at = number(at, &bid)) || !(at = number(at, &ask)) ||
            !(at = number(at, &bid_size)) || !(at = number(at, &ask_size)) || !(at = number(at, &time)))
            return sum;
        if (quotes.len == ROWS) quotes.len = 0;
        size_t row = quotes.len++;
        quotes.instrument[row] = (uint32_t)instrument;
        quotes.bid[row] = (int64_t)bid;
        quotes.ask[row] = (int64_t)ask;
        quotes.bid_size[row] = bid_size;
        quotes.ask_size[row] = ask_size;
        quotes.time[row] = time;
        sum += ask_size;
        *messages += 1;
    }
    return sum;
}

/* A histogram of 64 linear buckets to each power of two: values to 1.6 %. */
static uint64_t buckets[BUCKETS];

static size_t bucket_of(uint64_t value) {
    if (value < 64) return value;
    int shift = 57 - __builtin_clzll(value);
    size_t bucket = (size_t)(shift + 1) * 64 + (value >> shift & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static uint64_t value_of(size_t bucket) {
    if (bucket < 64) return bucket;
    return (64 + bucket % 64) << (bucket / 64 - 1);
}

static uint64_t percentile(double part, uint64_t count) {
    uint64_t wanted = (uint64_t)(part * (double)count), seen = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += buckets[bucket]) > wanted) return value_of(bucket);
    return value_of(BUCKETS - 1);
}

static uint64_t stamp_ns(struct msghdr *header) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(part), sizeof time);
            return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
        }
    return 0;
}

/* Largest resident memory of this program; getrusage would tell that of the one that started it. */
static long rss_kib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (status) fclose(status);
    return kib;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: receive count|decode|latency SECONDS RCVBUF CPU\n");
        return 2;
    }
    int decodes = !strcmp(argv[1], "decode"), stamps = !strcmp(argv[1], "latency");
    double seconds = atof(argv[2]);
    int buffer = atoi(argv[3]), on = 1;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[4]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);

    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, len) || getsockname(fd, (struct sockaddr *)&here, &len))
        fail("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (stamps) setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);

    static struct iovec vectors[BATCH];
    static struct mmsghdr headers[BATCH];
    for (int at = 0; at < BATCH; at++) {
        vectors[at] = (struct iovec){slots[at], SLOT - 64};
        headers[at].msg_hdr.msg_iov = &vectors[at];
        headers[at].msg_hdr.msg_iovlen = 1;
        headers[at].msg_hdr.msg_control = stamps ? controls[at] : 0;
    }
    uint64_t datagrams = 0, messages = 0, bytes = 0, sum = 0, begun = 0, end = UINT64_MAX;
    struct rusage before, after;
    for (;;) {
        if (stamps)
            for (int at = 0; at < BATCH; at++) headers[at].msg_hdr.msg_controllen = sizeof controls[at];
        int taken = recvmmsg(fd, headers, BATCH, MSG_WAITFORONE, 0);
        if (taken < 0) fail("recvmmsg");
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (!begun) {
            begun = now;
            end = begun + (uint64_t)(seconds * 1e9);
            getrusage(RUSAGE_SELF, &before);
        }
        if (now >= end) break;
        uint64_t returned = stamps ? clock_ns(CLOCK_REALTIME) : 0;
        for (int at = 0; at < taken; at++) {
            bytes += headers[at].msg_len;
            if (decodes) sum += decode(slots[at], headers[at].msg_len, &messages);
            if (stamps) buckets[bucket_of(returned - stamp_ns(&headers[at].msg_hdr))]++;
        }
        datagrams += (uint64_t)taken;
    }
    double elapsed = (double)(clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;
    getrusage(RUSAGE_SELF, &after);
    double cpu = (double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec) +
                 (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec -
                          before.ru_stime.tv_usec) / 1e6;
    printf("{\"datagrams\": %llu, \"bytes\": %llu, \"messages\": %llu, \"sum\": %llu, \"elapsed_s\": %.6f, "
           "\"cpu_s\": %.6f, \"rss_kib\": %ld",
           (unsigned long long)datagrams, (unsigned long long)bytes, (unsigned long long)messages,
           (unsigned long long)sum, elapsed, cpu, rss_kib());
    if (stamps)
        printf(", \"latency_ns\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"p99_9\": %llu, \"count\": %llu}",
               (unsigned long long)percentile(0.5, datagrams), (unsigned long long)percentile(0.9, datagrams),
               (unsigned long long)percentile(0.99, datagrams), (unsigned long long)percentile(0.999, datagrams),
               (unsigned long long)datagrams);
    puts("}");
    return 0;
}
