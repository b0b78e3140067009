/* Sends one msgpack packet over and over, each time with the next sequence number.
 *
 *   send HOST:PORT PACKET_FILE SEQUENCE_OFFSET MESSAGES SECONDS RATE CPU [TIME_OFFSET]
 *
 * PACKET_FILE holds the datagram; at SEQUENCE_OFFSET stand eight bytes, big-endian: the sequence number, which grows by
 * MESSAGES. At TIME_OFFSET stand eight more: the nanosecond since 1970 at which the datagram was due, however late it
 * left; 0 leaves them as they are. RATE is in datagrams a second, 0 means as fast as possible: then many datagrams go
 * in one call (UDP_SEGMENT), and are due when it is made. It ends by itself, or when it is terminated, and says as JSON
 * how many datagrams the kernel took and how late it was itself. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "histogram.h"

enum { MOST_BYTES = 65000, MOST_SEGMENTS = 64 };

static volatile sig_atomic_t terminated;
static struct histogram late;

static void on_terminate(int signal) { terminated = signal; }

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Eight bytes, big-endian. */
static void put(unsigned char *at, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 8 && argc != 9) {
        fprintf(stderr, "usage: send HOST:PORT PACKET_FILE SEQUENCE_OFFSET MESSAGES SECONDS RATE CPU [TIME_OFFSET]\n");
        return 2;
    }
    char *colon = strrchr(argv[1], ':');
    if (!colon) return 2;
    *colon = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    static unsigned char packet[2048], burst[MOST_BYTES];
    FILE *file = fopen(argv[2], "rb");
    if (!file) fail(argv[2]);
    size_t bytes = fread(packet, 1, sizeof packet, file);
    fclose(file);
    size_t offset = strtoul(argv[3], 0, 10), time_offset = argc == 9 ? strtoul(argv[8], 0, 10) : 0;
    uint64_t messages = strtoull(argv[4], 0, 10), sequence = 1, sent = 0;
    double seconds = atof(argv[5]), rate = atof(argv[6]);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[7]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);

    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("socket");
    size_t segments = rate > 0 ? 1 : MOST_BYTES / bytes;
    if (segments > MOST_SEGMENTS) segments = MOST_SEGMENTS;
    int size = (int)bytes, buffer = 4 << 20;
    if (segments > 1 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) fail("UDP_SEGMENT");
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    for (size_t at = 0; at < segments; at++) memcpy(burst + at * bytes, packet, bytes);

    uint64_t begun = now_ns(), epoch = clock_ns(CLOCK_REALTIME) - begun, end = begun + (uint64_t)(seconds * 1e9);
    signal(SIGTERM, on_terminate);
    while (!terminated && now_ns() < end) {
        uint64_t due = rate > 0 ? begun + (uint64_t)((double)sent / rate * 1e9) : now_ns();
        for (size_t at = 0; at < segments; at++) {
            put(burst + at * bytes + offset, sequence + at * messages);
            if (time_offset) put(burst + at * bytes + time_offset, epoch + due);
        }
        uint64_t now;
        while ((now = now_ns()) < due) {}
        histogram_record(&late, now - due);
        if (send(fd, burst, segments * bytes, 0) < 0) {
            if (errno == ECONNREFUSED || errno == ENOBUFS || errno == EINTR) continue;
            fail("send");
        }
        sequence += segments * messages;
        sent += segments;
    }
    printf("{\"sent\": %lu, \"elapsed_s\": %.6f, \"late_ns\": {\"p50\": %lu, \"p99\": %lu, \"p99_9\": %lu, \"max\": %lu}}\n",
           sent, (double)(now_ns() - begun) / 1e9, histogram_percentile(&late, 0.5), histogram_percentile(&late, 0.99),
           histogram_percentile(&late, 0.999), late.max);
    return 0;
}
