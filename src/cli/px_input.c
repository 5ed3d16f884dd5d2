// SPDX-License-Identifier: MIT
/* What px-find --json printed, as it comes to px-report and px-do. */
#include "base/file.h"
#include "cli/px.h"

#include <errno.h>
#include <unistd.h>

enum { MAX_INPUT = 256 << 20 };

static bool read_stdin(Buf *out, Err *err)
{
    enum { PIECE = 1 << 16 };
    if (isatty(STDIN_FILENO))
        return err_set(err, ERR_USAGE,
                       "there is no input: pipe what px-find --json prints into it, or use --reportDataFile");
    for (;;) {
        uint8_t *to = buf_reserve(out, PIECE);
        if (!to)
            return err_set(err, ERR_LIMIT, "the input is longer than %d MiB", MAX_INPUT >> 20);
        ssize_t n = read(STDIN_FILENO, to, PIECE);
        if (n < 0 && errno != EINTR)
            return err_errno(err, errno, "cannot read the input");
        if (n == 0)
            return true;
        out->n += n > 0 ? (size_t)n : 0;
    }
}

json_t *px_read_input(const char *data, const char *file, Err *err)
{
    Buf text;
    buf_init(&text, MAX_INPUT);
    bool piped = !*data && !*file;
    bool ok = *data   ? buf_append_cstr(&text, data)
              : *file ? file_read_all(file, MAX_INPUT, &text, err)
                      : read_stdin(&text, err);
    json_t *document = ok ? px_document_read(buf_span(&text), err) : NULL;
    if (ok && !document && piped)
        err_wrap(err, "Error reading from pipe!");
    buf_free(&text);
    return document;
}
