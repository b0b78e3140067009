/* Receives the msgpack feed with recvmmsg, decodes every quote by hand, sums the ask sizes, records latencies.
 *
 *   peer recvmmsg|gro WARMUP_S SECONDS RCVBUF_BYTES
 *
 * `gro` has the kernel hand over datagrams that it coalesced as one (UDP_GRO). It prints its port, waits for the first
 * datagram, passes over WARMUP_S, and prints what it did in the SECONDS after that, as JSON. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "histogram.h"
#include "program.h"
#include "quotes.h"

enum { BATCH = 64, DATAGRAM_BYTES = 2048, RUN_BYTES = 65536, CONTROL_BYTES = 64 };

struct received {
    uint64_t datagrams, bytes, messages, sum, first_sequence, last_sequence, begun_ns;
    struct rusage begun;
    struct histogram latency;
};

static struct quotes quotes;
static struct received received;

static int bound_socket(int buffer, int coalesced) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer)) fail("socket");
    if (coalesced && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on)) fail("UDP_GRO");
    if (bind(fd, (struct sockaddr *)&here, len) || getsockname(fd, (struct sockaddr *)&here, &len)) fail("bind");
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

static void take(const unsigned char *datagram, size_t len) {
    struct packet packet = quotes_packet(&quotes, datagram, len);
    uint64_t now = clock_ns(CLOCK_REALTIME);
    histogram_record(&received.latency, now > packet.send_time_ns ? now - packet.send_time_ns : 0);
    if (received.datagrams++ == 0) received.first_sequence = packet.sequence;
    received.last_sequence = packet.sequence;
    received.bytes += len;
    received.messages += packet.messages;
    received.sum += packet.ask_size_sum;
}

/* How long each of the datagrams is that a message holds. */
static size_t segment_bytes(struct mmsghdr *message) {
    struct msghdr *header = &message->msg_hdr;
    int bytes = (int)message->msg_len;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part))
        if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_GRO) memcpy(&bytes, CMSG_DATA(part), sizeof bytes);
    return (size_t)bytes;
}

static void take_segments(struct mmsghdr *message) {
    const unsigned char *run = message->msg_hdr.msg_iov->iov_base;
    size_t len = message->msg_len, segment = segment_bytes(message);
    for (size_t at = 0; at < len; at += segment) take(run + at, len - at < segment ? len - at : segment);
    message->msg_hdr.msg_controllen = CONTROL_BYTES;
}

static void begin(uint64_t now) {
    memset(&received, 0, sizeof received);
    received.begun_ns = now;
    getrusage(RUSAGE_SELF, &received.begun);
}

static void receive(int fd, int coalesced, double warmup_s, double seconds) {
    size_t slot = coalesced ? RUN_BYTES : DATAGRAM_BYTES;
    unsigned char *slots = calloc(BATCH, slot + QUOTES_PADDING), *controls = calloc(BATCH, CONTROL_BYTES);
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    if (!slots || !controls) fail("memory");
    for (size_t at = 0; at < BATCH; at++) {
        vectors[at] = (struct iovec){slots + at * (slot + QUOTES_PADDING), slot};
        messages[at].msg_hdr = (struct msghdr){.msg_iov = &vectors[at], .msg_iovlen = 1};
        if (coalesced) messages[at].msg_hdr.msg_control = controls + at * CONTROL_BYTES;
        if (coalesced) messages[at].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    uint64_t warm = 0, end = 0;
    for (;;) {
        int taken = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, 0);
        if (taken < 0) fail("recvmmsg");
        uint64_t now = clock_ns(CLOCK_REALTIME);
        if (!warm) {
            warm = now + (uint64_t)(warmup_s * 1e9);
            end = warm + (uint64_t)(seconds * 1e9);
        }
        if (!received.begun_ns && now >= warm) begin(now);
        if (now >= end) break;
        for (int at = 0; at < taken; at++) {
            if (coalesced)
                take_segments(&messages[at]);
            else
                take(vectors[at].iov_base, messages[at].msg_len);
        }
    }
    free(slots);
    free(controls);
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static void tell(void) {
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    double cpu = seconds_of(now.ru_utime) + seconds_of(now.ru_stime) - seconds_of(received.begun.ru_utime) -
                 seconds_of(received.begun.ru_stime);
    double elapsed = (double)(clock_ns(CLOCK_REALTIME) - received.begun_ns) / 1e9;
    const struct histogram *latency = &received.latency;
    printf("{\"datagrams\": %lu, \"bytes\": %lu, \"messages\": %lu, \"sum\": %lu, \"first_sequence\": %lu, "
           "\"last_sequence\": %lu, \"elapsed_s\": %.6f, \"cpu_s\": %.6f, \"rss_kib\": %ld, ",
           received.datagrams, received.bytes, received.messages, received.sum, received.first_sequence,
           received.last_sequence, elapsed, cpu, rss_kib());
    printf("\"latency_ns\": {\"p50\": %lu, \"p90\": %lu, \"p99\": %lu, \"p99_9\": %lu, \"max\": %lu, \"count\": %lu}}\n",
           histogram_percentile(latency, 0.5), histogram_percentile(latency, 0.9), histogram_percentile(latency, 0.99),
           histogram_percentile(latency, 0.999), latency->max, latency->count);
}

int main(int argc, char **argv) {
    int coalesced = argc == 5 && !strcmp(argv[1], "gro");
    if (argc != 5 || (!coalesced && strcmp(argv[1], "recvmmsg"))) {
        fprintf(stderr, "usage: peer recvmmsg|gro WARMUP_S SECONDS RCVBUF_BYTES\n");
        return 2;
    }
    receive(bound_socket(atoi(argv[4]), coalesced), coalesced, atof(argv[2]), atof(argv[3]));
    tell();
    return 0;
}
