/*
 * Latencies counted in a fixed room: exact up to 127 steps, then in 64 steps for every doubling (within 1.6 %). A step is
 * 0.1 us, so that a login of 15 us is told from one of 16.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define STEP_NS 100
#define STEPS_PER_DOUBLING 64
#define SLOTS (27 * STEPS_PER_DOUBLING)

struct histogram {
  uint64_t counts[SLOTS];
  uint64_t total;
  uint64_t sum_ns;
  uint64_t max_ns;
};

static inline unsigned slot_of(uint32_t steps) {
  if (steps < STEPS_PER_DOUBLING) return steps;
  /* The shift that brings `steps` into [64, 127]. */
  unsigned shift = 25 - (unsigned)__builtin_clz(steps);
  return (shift + 1) * STEPS_PER_DOUBLING + ((steps >> shift) - STEPS_PER_DOUBLING);
}

static inline void record(struct histogram *histogram, uint64_t ns) {
  uint64_t steps = ns / STEP_NS;
  histogram->counts[slot_of(steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps)]++;
  histogram->total++;
  histogram->sum_ns += ns;
  if (ns > histogram->max_ns) histogram->max_ns = ns;
}

/* The middle of the slot in which this share (0 to 1) of all latencies is reached, in microseconds; 0 where there are none. */
static inline double quantile_us(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->total);
  if (wanted >= histogram->total) wanted = histogram->total == 0 ? 0 : histogram->total - 1;
  uint64_t seen = 0;
  for (unsigned slot = 0; slot < SLOTS; slot++) {
    seen += histogram->counts[slot];
    if (seen <= wanted) continue;
    double steps = slot;
    if (slot >= STEPS_PER_DOUBLING) {
      unsigned shift = slot / STEPS_PER_DOUBLING - 1;
      steps = (STEPS_PER_DOUBLING + slot % STEPS_PER_DOUBLING + 0.5) * (double)(1u << shift);
    }
    return steps * STEP_NS / 1000.0;
  }
  return 0;
}

#endif
