// SPDX-License-Identifier: MIT
/*
 * iconv for the multi-byte sets. Descriptors are opened at first use, one per codec and direction and thread, and closed
 * when the thread ends. None of these codecs keeps shift states.
 */
#include "dicom/charset_internal.h"

#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const codec_names[CODEC_COUNT] = {
    [CODEC_EUC_JP] = "EUC-JP", [CODEC_CP932] = "CP932",     [CODEC_EUC_KR] = "EUC-KR", [CODEC_UHC] = "UHC",
    [CODEC_EUC_CN] = "EUC-CN", [CODEC_GB18030] = "GB18030", [CODEC_GBK] = "GBK",
};

enum { TO_UTF8, FROM_UTF8 };

typedef struct Descriptors {
    iconv_t cd[CODEC_COUNT][2];
    bool open[CODEC_COUNT][2];
} Descriptors;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void close_all(void *p)
{
    Descriptors *d = p;
    for (size_t i = 0; i < CODEC_COUNT; i++)
        for (size_t way = 0; way < 2; way++)
            if (d->open[i][way])
                iconv_close(d->cd[i][way]);
    free(d);
}

static void make_key(void)
{
    if (pthread_key_create(&key, close_all) != 0)
        abort();
}

/* (iconv_t)-1 when the system lacks the codec. */
static iconv_t descriptor(CharCodec codec, int way)
{
    pthread_once(&once, make_key);
    Descriptors *d = pthread_getspecific(key);
    if (!d) {
        d = calloc(1, sizeof *d);
        if (!d || pthread_setspecific(key, d) != 0)
            abort();
    }
    if (!d->open[codec][way]) {
        const char *name = codec_names[codec];
        iconv_t cd = way == TO_UTF8 ? iconv_open("UTF-8", name) : iconv_open(name, "UTF-8");
        if (cd == (iconv_t)-1)
            return cd;
        d->cd[codec][way] = cd;
        d->open[codec][way] = true;
    }
    return d->cd[codec][way];
}

/* Bytes of the sequence at the start of `s`, which charset_next has found well-formed. */
static size_t sequence_length(CharCodec codec, Span s)
{
    if (codec == CODEC_EUC_JP)
        return s.p[0] == 0x8F ? 3 : 2;
    return codec == CODEC_GB18030 && s.n >= 4 && s.p[1] <= '9' ? 4 : 2;
}

bool charset_to_utf8(CharCodec codec, Span in, Buf *out)
{
    iconv_t cd = descriptor(codec, TO_UTF8);
    bool ok = true;
    while (in.n) {
        char *from = (char *)(uintptr_t)in.p, *to = (char *)buf_reserve(out, in.n * 2 + 8);
        size_t from_left = in.n, to_left = in.n * 2 + 8;
        if (!to)
            return false;
        if (cd != (iconv_t)-1)
            iconv(cd, &from, &from_left, &to, &to_left);
        out->n = (size_t)((uint8_t *)to - out->p);
        in = span_sub(in, in.n - from_left, in.n);
        if (in.n && to_left >= 8) {
            ok = false;
            buf_append_cstr(out, CHARSET_REPLACEMENT);
            in = span_sub(in, sequence_length(codec, in), in.n);
        }
    }
    return ok;
}

size_t charset_from_utf8(CharCodec codec, Span character, uint8_t out[8])
{
    iconv_t cd = descriptor(codec, FROM_UTF8);
    if (cd == (iconv_t)-1)
        return 0;
    char *from = (char *)(uintptr_t)character.p, *to = (char *)out;
    size_t from_left = character.n, to_left = 8;
    /* A positive count means that a substitute was written. */
    if (iconv(cd, &from, &from_left, &to, &to_left) != 0 || from_left) {
        iconv(cd, NULL, NULL, NULL, NULL);
        return 0;
    }
    return 8 - to_left;
}
