/* A log-linear histogram of nanoseconds with three significant digits, as HdrHistogram keeps it: values below 2048 by
 * themselves, then 1024 linear buckets to each power of two. */

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_HALF = 1024, HISTOGRAM_BUCKETS = 32 * HISTOGRAM_HALF };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS], count, max;
};

static inline void histogram_record(struct histogram *histogram, uint64_t value) {
    uint64_t bucket = value;
    if (value >= 2 * HISTOGRAM_HALF) {
        uint64_t shift = 53 - (uint64_t)__builtin_clzll(value);
        bucket = shift * HISTOGRAM_HALF + (value >> shift);
    }
    histogram->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    histogram->count++;
    if (value > histogram->max) histogram->max = value;
}

/* The largest value that is counted in a bucket. */
static inline uint64_t histogram_value(uint64_t bucket) {
    if (bucket < 2 * HISTOGRAM_HALF) return bucket;
    uint64_t shift = bucket / HISTOGRAM_HALF - 1;
    return ((bucket % HISTOGRAM_HALF + HISTOGRAM_HALF + 1) << shift) - 1;
}

/* The value that `part` (0 to 1) of all values do not exceed. */
static inline uint64_t histogram_percentile(const struct histogram *histogram, double part) {
    double wanted = part * (double)histogram->count;
    uint64_t seen = 0;
    for (uint64_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen && (double)seen >= wanted) return histogram_value(bucket);
    }
    return 0;
}

#endif
