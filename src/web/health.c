// SPDX-License-Identifier: MIT
/*
 * GET /health, for load balancers and people: 200 when the archive can be asked and can keep objects, 503 otherwise, with the reason. Needs no authentication, so it says
 * nothing of what is in the archive, and names no path.
 */
#include "base/clock.h"
#include "base/json.h"
#include "web/web_internal.h"

enum { SPACE_LOW = 64 * 1024 * 1024 };

void web_health(HttpExchange *x, void *ctx)
{
    const WebServer *server = ctx;
    Archive *archive = server->context.archive;
    Err err = {0};
    const char *value;
    bool index = !arc_index_is_away(archive, NULL) &&
                 idx_note_get(arc_index(archive), http_arena(x), "clean-stop", &value, &err);
    uint64_t limit, space = arc_free_bytes(archive, &limit);
    bool low = space < SPACE_LOW || space < limit;
    Buf out;
    buf_init(&out, 0);
    JsonWriter w = json_writer(&out);
    json_begin_object(&w);
    json_member(&w, "status", index && !low ? "ok" : "failing");
    json_member(&w, "version", GANTRY_VERSION);
    json_member(&w, "index", index ? "ok" : "the database does not answer");
    json_member(&w, "space", low ? "the disk is nearly full" : "ok");
    json_member_int(&w, "free_bytes", (int64_t)space);
    json_member_int(&w, "waiting", (int64_t)arc_ingest_waiting(archive));
    json_member_int(&w, "uptime_seconds", (clock_ms() - server->began_ms) / 1000);
    json_end_object(&w);
    buf_append_cstr(&out, "\n");
    http_header(x, "Cache-Control", "no-store");
    http_answer_buf(x, index && !low ? 200 : 503, "application/json", &out);
    buf_free(&out);
}
