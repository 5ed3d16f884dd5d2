// SPDX-License-Identifier: MIT
/*
 * SeaHash (ticki, reference version 4): four lanes take turns at the little-endian words of the input, the last of which is filled up with
 * zeros; the length goes in at the end.
 */
#include "px/seahash.h"

static uint64_t diffuse(uint64_t x)
{
    const uint64_t prime = UINT64_C(0x6eed0e9da4d94a4f);
    x *= prime;
    x ^= (x >> 32) >> (x >> 60);
    return x * prime;
}

static uint64_t word(Span chunk)
{
    uint64_t value = 0;
    for (size_t i = 0; i < chunk.n; i++)
        value |= (uint64_t)chunk.p[i] << (8 * i);
    return value;
}

uint64_t px_seahash(Span bytes)
{
    enum { LANES = 4, WORD = 8 };
    uint64_t lanes[LANES] = {UINT64_C(0x16f11fe89b0d677c), UINT64_C(0xb480a793d8e6c86c),
                             UINT64_C(0x6fe2e5aaf078ebc9), UINT64_C(0x14f994a4c5259381)};
    for (size_t at = 0, lane = 0; at < bytes.n; at += WORD, lane = (lane + 1) % LANES)
        lanes[lane] = diffuse(lanes[lane] ^ word(span_sub(bytes, at, WORD)));
    return diffuse(lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3] ^ bytes.n);
}
