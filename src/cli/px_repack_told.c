// SPDX-License-Identifier: MIT
/* The members of the document wait in a file without a name until the last one is there, since their status comes first; memory does not grow with them. */
#include "cli/px_repack_told.h"

#include "base/clock.h"
#include "base/file.h"
#include "px/document.h"
#include "px/pack_result.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct RepackTold {
    RepackWish wish;
    FILE *members; /* of the document; NULL = none is wanted */
    int log, pulse;
    pthread_mutex_t lock; /* guards what follows, and `members` */
    size_t count;
    bool failed; /* something could not be written; why is in `err` */
    Err err;
};

/* -- logs -- */

/* The last part of a path, for the name of a file. */
static const char *session_of(const char *dir, Buf *out)
{
    Span name = span_cstr(dir);
    while (name.n > 1 && name.p[name.n - 1] == '/')
        name.n--;
    for (size_t slash = span_index(name, '/'); slash != SIZE_MAX; slash = span_index(name, '/'))
        name = span_sub(name, slash + 1, SIZE_MAX);
    buf_append_span(out, name);
    return buf_cstr(out);
}

static int open_log(RepackTold *told, const char *name, Err *err)
{
    char *path = file_join(px_base_log_path(told->wish.base), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        err_errno(err, errno, "cannot open %s", path);
    free(path);
    return fd;
}

static bool open_logs(RepackTold *told, Err *err)
{
    Buf name;
    buf_init(&name, 0);
    session_of(told->wish.dir, &name);
    buf_append_cstr(&name, "-pulse.log");
    told->log = open_log(told, "repack.log", err);
    told->pulse = told->log < 0 ? -1 : open_log(told, buf_cstr(&name), err);
    buf_free(&name);
    return told->pulse >= 0;
}

/* One write for a line, so that the lines of many processes do not mix. */
static void add_line(int fd, const char *text)
{
    char when[32];
    Buf line;
    buf_init(&line, 0);
    clock_format(clock_wall_us(), true, when);
    buf_printf(&line, "%s %s\n", when, text);
    file_write_all(fd, line.p, line.n, NULL);
    buf_free(&line);
}

static void log_file(RepackTold *told, const PxPacked *packed)
{
    Buf text;
    buf_init(&text, 0);
    if (packed->ok)
        buf_printf(&text, "%s -> %s (%s%s)", packed->source, packed->object->path,
                   arc_outcome_text(packed->stored.outcome), packed->removed ? ", source deleted" : "");
    if (packed->err.code)
        buf_printf(&text, "%s%s", packed->ok ? "; " : "", packed->err.text);
    add_line(told->log, buf_cstr(&text));
    buf_free(&text);
}

static void log_run(RepackTold *told, const PxPackCounts *counts)
{
    char text[160];
    snprintf(text, sizeof text,
             "packed %" PRIu64 " (%" PRIu64 " were there), failed %" PRIu64 ", not deleted %" PRIu64
             ", not begun %" PRIu64,
             counts->packed, counts->same, counts->failed, counts->kept, counts->left);
    add_line(told->pulse, text);
}

/* -- the document -- */

/* As a member of a list that stands in an object. */
static void indent(Span text, Buf *out)
{
    Span line;
    bool more = true;
    for (const char *end = ""; span_split(&text, '\n', &line, &more); end = "\n")
        if (line.n)
            buf_printf(out, "%s        %.*s", end, SPAN_FMT(line));
}

static void add_member(RepackTold *told, const PxPacked *packed)
{
    json_t *member = px_pack_result(packed, told->wish.cleanup);
    Buf plain, text;
    buf_init(&plain, 0);
    buf_init(&text, 0);
    px_document_write(member, false, &plain);
    indent(buf_span(&plain), &text);
    pthread_mutex_lock(&told->lock);
    if (fprintf(told->members, "%s%s", told->count++ ? ",\n" : "", buf_cstr(&text)) < 0 && !told->failed)
        told->failed = !err_errno(&told->err, errno, "cannot keep the result");
    pthread_mutex_unlock(&told->lock);
    buf_free(&plain);
    buf_free(&text);
    json_decref(member);
}

static bool print_document(RepackTold *told, const PxPackCounts *counts, Err *err)
{
    if (told->failed || fflush(told->members) != 0 || fseek(told->members, 0, SEEK_SET) != 0) {
        if (!told->failed)
            err_errno(&told->err, errno, "cannot keep the result");
        *err = told->err;
        return false;
    }
    char block[64 << 10];
    size_t n;
    bool ok = !counts->failed && !counts->left;
    printf("{\n    \"status\": %s,\n    \"run\": [%s", ok ? "true" : "false", told->count ? "\n" : "");
    while ((n = fread(block, 1, sizeof block, told->members)) > 0)
        fwrite(block, 1, n, stdout);
    printf("%s]\n}\n", told->count ? "\n    " : "");
    return true;
}

/* -- the calls -- */

static void told_free(RepackTold *told)
{
    if (told->members)
        fclose(told->members);
    if (told->log >= 0)
        close(told->log);
    if (told->pulse >= 0)
        close(told->pulse);
    pthread_mutex_destroy(&told->lock);
    free(told);
}

static bool open_members(RepackTold *told, Err *err)
{
    Archive *archive = px_base_archive(told->wish.base, err);
    int fd = archive ? arc_temporary_file(archive, err) : -1;
    told->members = fd >= 0 ? fdopen(fd, "w+") : NULL;
    return told->members != NULL;
}

RepackTold *repack_told_start(const RepackWish *wish, Err *err)
{
    RepackTold *told = calloc(1, sizeof *told);
    if (!told)
        abort();
    told->wish = *wish;
    told->log = told->pulse = -1;
    pthread_mutex_init(&told->lock, NULL);
    if ((!wish->debug || open_logs(told, err)) && (!wish->document || wish->lines || open_members(told, err)))
        return told;
    told_free(told);
    return NULL;
}

void repack_told(void *ctx, const PxPacked *packed)
{
    RepackTold *told = ctx;
    if (packed->err.code)
        cli_tell(told->wish.cli, "%s", packed->err.text);
    else if (packed->stored.beside)
        cli_tell(told->wish.cli, "%s: another object has the name that it would get; it is %s",
                 packed->source, packed->object->path);
    if (told->wish.debug)
        log_file(told, packed);
    if (told->wish.lines) {
        json_t *line = px_pack_line(packed);
        Buf text;
        buf_init(&text, 0);
        px_document_write(line, true, &text);
        cli_put(stdout, &text);
        json_decref(line);
    } else if (told->members) {
        add_member(told, packed);
    }
}

bool repack_told_end(RepackTold *told, const PxPackCounts *counts, Err *err)
{
    if (told->wish.debug)
        log_run(told, counts);
    bool ok = !told->members || print_document(told, counts, err);
    told_free(told);
    return ok;
}
