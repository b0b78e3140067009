/* Sends datagrams of zeros as fast as the kernel takes them, with nothing else to do.
 *
 *   blast HOST:PORT WAY BYTES SECONDS CPU
 *
 * WAY is `sendmmsg`, 64 datagrams a call, or `segment`, 64 datagrams as one message (UDP_SEGMENT). It ends by itself, and
 * says how many datagrams the kernel took, as JSON. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "program.h"

enum { BATCH = 64, MOST_BYTES = 1000 };

int main(int argc, char **argv) {
    char *colon = argc == 6 ? strrchr(argv[1], ':') : 0;
    size_t bytes = argc == 6 ? strtoul(argv[3], 0, 10) : 0;
    if (!colon || bytes == 0 || bytes > MOST_BYTES) {
        fprintf(stderr, "usage: blast HOST:PORT sendmmsg|segment BYTES SECONDS CPU\n");
        return 2;
    }
    *colon = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[5]), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = (int)bytes, joins = !strcmp(argv[2], "segment");
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("socket");
    if (joins && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) fail("UDP_SEGMENT");

    static unsigned char payload[BATCH * MOST_BYTES];
    struct iovec buffers[BATCH];
    struct mmsghdr headers[BATCH] = {0};
    for (size_t at = 0; at < BATCH; at++) {
        buffers[at] = (struct iovec){.iov_base = payload + at * bytes, .iov_len = bytes};
        headers[at].msg_hdr.msg_iov = &buffers[at];
        headers[at].msg_hdr.msg_iovlen = 1;
    }
    uint64_t sent = 0, begun = clock_ns(CLOCK_MONOTONIC), end = begun + (uint64_t)(atof(argv[4]) * 1e9);
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        int taken = joins ? (send(fd, payload, BATCH * bytes, 0) < 0 ? -1 : BATCH) : sendmmsg(fd, headers, BATCH, 0);
        if (taken >= 0) {
            sent += (uint64_t)taken;
        } else if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) {
            fail(argv[2]);
        }
    }
    printf("{\"sent\": %llu, \"elapsed_s\": %.6f}\n", (unsigned long long)sent, (double)(clock_ns(CLOCK_MONOTONIC) - begun) / 1e9);
    return 0;
}
