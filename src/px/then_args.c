// SPDX-License-Identifier: MIT
/* --then and --thenArgs. */
#include "px/then.h"

#include <stdio.h>

static const char *const names[] = {[PX_VERB_REPORT] = "report",
                                    [PX_VERB_RETRIEVE] = "retrieve",
                                    [PX_VERB_STATUS] = "status",
                                    [PX_VERB_PUSH] = "push",
                                    [PX_VERB_REGISTER] = "register"};
enum { NAMES = sizeof names / sizeof *names };

const char *px_verb_name(PxVerb verb)
{
    return names[verb];
}

static bool parse_verb(Span word, PxVerb *out, Err *err)
{
    for (size_t i = 0; i < NAMES; i++)
        if (span_eq_cstr(word, names[i])) {
            *out = (PxVerb)i;
            return true;
        }
    return err_set(err, ERR_USAGE, "--then: '%.*s' is none of report, retrieve, status, push, register",
                   word.n > 40 ? 40 : (int)word.n, (const char *)word.p);
}

bool px_verbs_parse(PxVerbs *verbs, const char *list, Err *err)
{
    *verbs = (PxVerbs){0};
    Span rest = span_cstr(list), part;
    bool more = true;
    while (*list && span_split(&rest, ',', &part, &more)) {
        if (verbs->count == PX_VERBS_MAX)
            return err_set(err, ERR_LIMIT, "--then: more than %d verbs", PX_VERBS_MAX);
        if (!parse_verb(span_trim(part), &verbs->items[verbs->count++], err))
            return false;
    }
    return true;
}

static json_t *no_arguments(size_t n)
{
    json_t *list = json_array();
    while (n--)
        json_array_append_new(list, json_object());
    return list;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static Span skip_blanks(Span text)
{
    size_t n = 0;
    while (n < text.n && is_blank(text.p[n]))
        n++;
    return span_sub(text, n, text.n);
}

/* One value at the start of the text, which may hold a ";" in a string of its own. */
static json_t *take_value(Span *text, Err *err)
{
    json_error_t problem;
    json_t *value = json_loadb((const char *)text->p, text->n,
                               JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
    if (!value) {
        err_set(err, ERR_USAGE,
                "--thenArgs is not JSON objects joined by ';', nor a JSON list of them: line %d, column %d",
                problem.line, problem.column);
        return NULL;
    }
    *text = skip_blanks(span_sub(*text, (size_t)problem.position, text->n));
    return value;
}

/* Both spellings as a list: "[{…},{…}]" or "{…};{…}". */
static json_t *read_list(Span text, Err *err)
{
    json_t *list = json_array();
    for (;;) {
        json_t *value = take_value(&text, err);
        if (!value)
            break;
        if (!text.n && json_is_array(value) && !json_array_size(list)) {
            json_decref(list);
            return value;
        }
        json_array_append_new(list, value);
        if (!text.n)
            return list;
        if (*text.p != ';') {
            err_set(err, ERR_USAGE, "--thenArgs: the objects must be joined by ';' or stand in a JSON list");
            break;
        }
        text = skip_blanks(span_sub(text, 1, text.n));
    }
    json_decref(list);
    return NULL;
}

json_t *px_verbs_arguments(const PxVerbs *verbs, const char *text, Err *err)
{
    Span span = skip_blanks(span_cstr(text));
    if (!span.n)
        return no_arguments(verbs->count);
    json_t *list = read_list(span, err);
    bool ok = list != NULL;
    if (ok && json_array_size(list) != verbs->count)
        ok = err_set(err, ERR_USAGE,
                     "--thenArgs has %zu objects for %zu verbs of --then; give one for each, {} for a verb "
                     "that needs none",
                     json_array_size(list), verbs->count);
    const json_t *object;
    size_t i;
    json_array_foreach(list, i, object) if (ok && !json_is_object(object)) ok =
        err_set(err, ERR_USAGE, "--thenArgs: what is given for %s is no JSON object", names[verbs->items[i]]);
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}
