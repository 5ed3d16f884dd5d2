// SPDX-License-Identifier: MIT
#include "archive/sums.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SHA256_BYTES = 32, CONTENT_BYTES = 16 };

struct Sums {
    EVP_MD_CTX *sha;       /* NULL: not wanted */
    XXH3_state_t *content; /* the same */
    uint64_t content_from, at;
};

Sums *sums_new(bool sha256, bool content, uint64_t content_from)
{
    Sums *sums = calloc(1, sizeof *sums);
    if (!sums)
        abort();
    sums->content_from = content_from;
    sums->sha = sha256 ? EVP_MD_CTX_new() : NULL;
    sums->content = content ? XXH3_createState() : NULL;
    if ((sha256 && (!sums->sha || !EVP_DigestInit_ex(sums->sha, EVP_sha256(), NULL))) ||
        (content && !sums->content))
        abort();
    if (content)
        XXH3_128bits_reset(sums->content);
    return sums;
}

void sums_take(Sums *sums, Span bytes)
{
    uint64_t skip = sums->content_from > sums->at ? sums->content_from - sums->at : 0;
    if (sums->sha)
        EVP_DigestUpdate(sums->sha, bytes.p, bytes.n);
    if (sums->content && skip < bytes.n)
        XXH3_128bits_update(sums->content, bytes.p + skip, bytes.n - skip);
    sums->at += bytes.n;
}

void sums_end(Sums *sums, uint8_t sha256[32], uint8_t content[16])
{
    uint8_t sha[EVP_MAX_MD_SIZE] = {0};
    XXH128_canonical_t canonical = {0};
    if (sums->sha)
        EVP_DigestFinal_ex(sums->sha, sha, NULL);
    if (sums->content)
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(sums->content));
    if (sha256)
        memcpy(sha256, sha, SHA256_BYTES);
    if (content)
        memcpy(content, canonical.digest, CONTENT_BYTES);
    EVP_MD_CTX_free(sums->sha);
    XXH3_freeState(sums->content);
    free(sums);
}

bool sum_is_set(const uint8_t *sum, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sum[i])
            return true;
    return false;
}
