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
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "histogram.h"
#include "program.h"
#include "quotes.h"

enum { BATCH = 64, DATAGRAM_BYTES = 2048 };

static unsigned char slots[BATCH][DATAGRAM_BYTES + QUOTES_PADDING];
static uint64_t controls[BATCH][16];
static struct quotes quotes;
static struct histogram latency;

static uint64_t stamp_ns(struct msghdr *header) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(part), sizeof time);
            return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
        }
    return 0;
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
        vectors[at] = (struct iovec){slots[at], DATAGRAM_BYTES};
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
            if (decodes) {
                struct packet packet = quotes_packet(&quotes, slots[at], headers[at].msg_len);
                messages += packet.messages;
                sum += packet.ask_size_sum;
            }
            if (stamps) {
                uint64_t stamp = stamp_ns(&headers[at].msg_hdr);
                histogram_record(&latency, returned > stamp ? returned - stamp : 0);
            }
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
               (unsigned long long)histogram_percentile(&latency, 0.5),
               (unsigned long long)histogram_percentile(&latency, 0.9),
               (unsigned long long)histogram_percentile(&latency, 0.99),
               (unsigned long long)histogram_percentile(&latency, 0.999), (unsigned long long)latency.count);
    puts("}");
    return 0;
}
