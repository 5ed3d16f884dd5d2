// SPDX-License-Identifier: MIT
#include "cli/words.h"

#include "base/buf.h"

#include <string.h>

void words_add(Words *words, const char *word)
{
    if (words->count < WORDS_MAX)
        words->items[words->count++] = arena_strdup(words->arena, word);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One word from *at on, which becomes what is behind it. False: a quote is open. */
static bool take_word(const char **at, Buf *word)
{
    char quote = 0;
    const char *p = *at;
    for (; *p && (quote || !is_blank(*p)); p++) {
        if (*p == quote) {
            quote = 0;
        } else if (!quote && (*p == '"' || *p == '\'')) {
            quote = *p;
        } else {
            if (*p == '\\' && quote != '\'' && p[1])
                p++;
            buf_append(word, p, 1);
        }
    }
    *at = p;
    return !quote;
}

bool words_split(Words *words, const char *text, Err *err)
{
    bool ok = true;
    while (ok) {
        while (is_blank(*text))
            text++;
        if (!*text)
            break;
        Buf word;
        buf_init(&word, 0);
        if (words->count == WORDS_MAX)
            ok = err_set(err, ERR_USAGE, "more than %d words", WORDS_MAX);
        else
            ok = take_word(&text, &word) || err_set(err, ERR_USAGE, "a quote is not closed");
        if (ok)
            words_add(words, buf_cstr(&word));
        buf_free(&word);
    }
    return ok;
}
