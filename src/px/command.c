// SPDX-License-Identifier: MIT
#include "px/command.h"

static void put_peer(Buf *out, const ScuPeer *peer)
{
    buf_printf(out, "  -aec %s -aet %s %s %u", peer->called_ae, peer->calling_ae, peer->host, peer->port);
}

static const char *finish(Arena *arena, Buf *out)
{
    const char *text = arena_span_cstr(arena, buf_span(out));
    buf_free(out);
    return text;
}

const char *px_command_echo(Arena *arena, const char *echoscu, const ScuPeer *peer)
{
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s  --timeout 5 -v ", echoscu);
    put_peer(&out, peer);
    return finish(arena, &out);
}

const char *px_command_find(Arena *arena, const char *findscu, const ScuPeer *peer, const PxKeys *keys)
{
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s -xi -S ", findscu);
    for (size_t i = 0; i < keys->count; i++) {
        const PxKey *key = &keys->items[i];
        if (*key->value)
            buf_printf(&out, " -k \"%s=%s\"", key->keyword, key->value);
        else
            buf_printf(&out, " -k %s", key->keyword);
    }
    put_peer(&out, peer);
    return finish(arena, &out);
}

const char *px_command_move(Arena *arena, const char *movescu, const ScuPeer *peer, const char *destination,
                            const char *study, const char *series, bool series_first)
{
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s -S --move %s --timeout 5 -k QueryRetrieveLevel=SERIES", movescu, destination);
    if (series_first)
        buf_printf(&out, " -k SeriesInstanceUID=%s -k StudyInstanceUID=%s", series, study);
    else
        buf_printf(&out, " -k StudyInstanceUID=%s -k SeriesInstanceUID=%s", study, series);
    put_peer(&out, peer);
    return finish(arena, &out);
}

const char *px_command_get(Arena *arena, const ScuPeer *peer, const char *study, const char *series)
{
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out,
               "/usr/bin/getscu -S --timeout 5 -k QueryRetrieveLevel=SERIES -k StudyInstanceUID=%s -k "
               "SeriesInstanceUID=%s",
               study, series);
    put_peer(&out, peer);
    return finish(arena, &out);
}
