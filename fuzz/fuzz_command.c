// SPDX-License-Identifier: MIT
/* A command set. What decodes must encode, and the result decode to a command that encodes to the same bytes. */
#include "fuzz.h"

#include "net/dimse.h"

#include <string.h>

static void require(bool what)
{
    if (!what)
        fuzz_broken();
}

int fuzz_command(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(0);
    NetCommand first, second;
    Err err = {0};
    Buf once, twice;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (net_command_decode(arena, span_of(data, size), &first, &err)) {
        require(net_command_encode(&once, &first, &err));
        require(net_command_decode(arena, buf_span(&once), &second, &err));
        require(net_command_encode(&twice, &second, &err));
        require(span_eq(buf_span(&once), buf_span(&twice)));
        require(strcmp(net_field_name(first.field), "unknown command") != 0);
        require(NET_IS_RESPONSE(net_response_to(&first, 0).field));
    } else {
        require(err.code != ERR_NONE && err.text[0]);
    }
    buf_free(&once);
    buf_free(&twice);
    arena_free(arena);
    return 0;
}
