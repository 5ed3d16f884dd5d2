// SPDX-License-Identifier: MIT
/* Options that come as the members of a JSON object: --JSONargs, and the objects of --thenArgs. */
#include "cli/px.h"

static const char *word_of(Arena *arena, const char *name, const json_t *value)
{
    if (json_is_true(value))
        return arena_printf(arena, "--%s", name);
    if (json_is_false(value) || json_is_null(value))
        return NULL;
    const char *text = json_string_value(value);
    if (!text) {
        Buf written;
        buf_init(&written, 0);
        px_document_write(value, true, &written);
        text = arena_span_cstr(arena, span_sub(buf_span(&written), 0, written.n - 1));
        buf_free(&written);
    }
    return arena_printf(arena, "--%s=%s", name, text);
}

bool px_options_of(const Command *command, Arena *arena, const json_t *object, const char *what, void *args,
                   Err *err)
{
    if (!json_is_object(object) || json_object_get(object, "JSONargs"))
        return err_set(err, ERR_USAGE, "%s must be an object of option names and values", what);
    char **words = arena_alloc(arena, (json_object_size(object) + 1) * sizeof *words);
    int n = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const char *word = word_of(arena, name, value);
        if (word)
            words[n++] = arena_strdup(arena, word);
    }
    Buf problem;
    buf_init(&problem, 0);
    bool help;
    bool ok = options_parse(command, n, words, arena, args, &help, &problem) ||
              err_set(err, ERR_USAGE, "%s: %s", what, buf_cstr(&problem));
    buf_free(&problem);
    return ok;
}

bool px_json_args(Cli *cli, const Command *command, const char *json, void *args, Err *err)
{
    json_t *object = px_json_read(span_cstr(json), "--JSONargs", err);
    bool ok = object && px_options_of(command, cli->arena, object, "--JSONargs", args, err);
    json_decref(object);
    return ok;
}
