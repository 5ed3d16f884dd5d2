// SPDX-License-Identifier: MIT
/*
 * The reader finds delimiters (CRLF "--" boundary) in pieces of any size. A carriage return occurs in a delimiter at its beginning only, so that
 * what is held back between two pieces is never more than the part of one delimiter, and a piece without a carriage return near its end is passed on
 * as it lies.
 */
#include "web/multipart.h"

#include <stdlib.h>
#include <string.h>

enum {
    BOUNDARY_MAX = 70, /* RFC 2046 §5.1.1 */
    DELIMITER_MAX = BOUNDARY_MAX + 4,
    HEAD_MAX = 16384,
    PREAMBLE_MAX = 16384,
    PADDING_MAX = 256, /* blanks behind a boundary */
    PARTS_MAX = 1000000,
};

typedef enum State {
    PREAMBLE,
    DATA,
    AFTER, /* a delimiter: what follows tells whether it is one, and which */
    HEAD,
    EPILOGUE,
} State;

struct MultipartReader {
    MultipartHandler handler;
    State state, before; /* `before`: what AFTER goes back to when it was none */
    char delimiter[DELIMITER_MAX + 1];
    size_t length;   /* of the delimiter */
    size_t matched;  /* of it, at the end of the last piece: held back */
    size_t imagined; /* of what matched: body and parts begin as if a CRLF went before */
    Buf after, head;
    Arena *arena; /* strings of the part */
    size_t preamble, parts;
};

const char *multipart_boundary(Arena *arena, const char *content_type)
{
    const char *p = content_type ? strcasestr(content_type, "boundary") : NULL;
    while (p && (p == content_type || !strchr("; \t", p[-1])))
        p = strcasestr(p + 1, "boundary");
    if (!p)
        return NULL;
    p += strlen("boundary");
    p += strspn(p, " \t");
    if (*p != '=')
        return NULL;
    p++;
    p += strspn(p, " \t");
    size_t n = *p == '"' ? strcspn(p + 1, "\"\r\n") : strcspn(p, " \t;,\r\n\"");
    if (*p == '"' && p[n + 1] != '"')
        return NULL;
    p += *p == '"';
    Span boundary = span_rtrim(span_of(p, n));
    return boundary.n > 0 && boundary.n <= BOUNDARY_MAX ? arena_span_cstr(arena, boundary) : NULL;
}

/* The first boundary may be the very beginning of the body; that of a part without data goes on from the CRLF that ends its head. */
static void imagine_line_end(MultipartReader *r)
{
    r->matched = r->imagined = 2;
}

MultipartReader *multipart_reader_new(const char *boundary, const MultipartHandler *handler)
{
    MultipartReader *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->handler = *handler;
    size_t n = strnlen(boundary, BOUNDARY_MAX);
    memcpy(r->delimiter, "\r\n--", 4);
    memcpy(r->delimiter + 4, boundary, n);
    r->length = n + 4;
    imagine_line_end(r);
    buf_init(&r->after, PADDING_MAX);
    buf_init(&r->head, HEAD_MAX);
    r->arena = arena_new(0);
    return r;
}

void multipart_reader_free(MultipartReader *r)
{
    if (!r)
        return;
    buf_free(&r->after);
    buf_free(&r->head);
    arena_free(r->arena);
    free(r);
}

static bool pass_on(MultipartReader *r, Span bytes, Err *err)
{
    if (bytes.n == 0)
        return true;
    if (r->state == DATA)
        return r->handler.data(r->handler.ctx, bytes, err);
    r->preamble += bytes.n;
    return r->preamble <= PREAMBLE_MAX ||
           err_set(err, ERR_FORMAT,
                   "multipart body: no part begins in the first %d bytes; is the boundary right?",
                   PREAMBLE_MAX);
}

/* -- a part's head -- */

static const char *value_of(Arena *arena, Span line, const char *name)
{
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || !span_eq_nocase(span_sub(line, 0, n), span_cstr(name)))
        return NULL;
    return arena_span_cstr(arena, span_trim(span_sub(line, n + 1, line.n)));
}

static void read_type(Arena *arena, const char *value, MultipartPart *part)
{
    size_t n = strcspn(value, "; \t");
    char *type = arena_span_cstr(arena, span_of(value, n));
    for (char *p = type; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    part->type = type;
    part->parameters = arena_strdup(arena, value + n);
}

static void read_line(Arena *arena, Span line, MultipartPart *part)
{
    const char *value;
    if ((value = value_of(arena, line, "Content-Type")))
        read_type(arena, value, part);
    else if ((value = value_of(arena, line, "Content-Location")))
        part->location = value;
    else if ((value = value_of(arena, line, "Content-ID")))
        part->id =
            arena_span_cstr(arena, *value == '<' && strlen(value) > 2 ? span_of(value + 1, strlen(value) - 2)
                                                                      : span_cstr(value));
    else if ((value = value_of(arena, line, "Content-Transfer-Encoding")) ||
             (value = value_of(arena, line, "Content-Encoding")))
        part->encoding = value;
}

/* Lines that go on in the next one (RFC 5322 §2.2.3) are joined first. */
static void unfold(Buf *head)
{
    for (size_t i = 0; i + 2 < head->n; i++)
        if (head->p[i] == '\r' && head->p[i + 1] == '\n' && (head->p[i + 2] == ' ' || head->p[i + 2] == '\t'))
            head->p[i] = head->p[i + 1] = ' ';
}

static bool begin_part(MultipartReader *r, Err *err)
{
    if (++r->parts > PARTS_MAX)
        return err_set(err, ERR_LIMIT, "multipart body: more than %d parts", PARTS_MAX);
    arena_reset(r->arena);
    MultipartPart part = {"", "", "", "", ""};
    unfold(&r->head);
    Span rest = buf_span(&r->head), line;
    for (bool more = true; span_split(&rest, '\n', &line, &more);)
        read_line(r->arena, line.n && line.p[line.n - 1] == '\r' ? span_sub(line, 0, line.n - 1) : line,
                  &part);
    buf_clear(&r->head);
    r->state = DATA;
    imagine_line_end(r);
    return r->handler.begin(r->handler.ctx, &part, err);
}

/* -- states: each takes what it can of the piece -- */

static void enter_after(MultipartReader *r)
{
    r->before = r->state;
    r->state = AFTER;
    r->matched = 0;
}

/* How many bytes at the end of the piece may begin a delimiter. */
static size_t held_back(const MultipartReader *r, Span piece)
{
    size_t near = piece.n < r->length - 1 ? piece.n : r->length - 1;
    const uint8_t *cr = memrchr(piece.p + piece.n - near, '\r', near);
    size_t n = cr ? (size_t)(piece.p + piece.n - cr) : 0;
    return n && memcmp(cr, r->delimiter, n) == 0 ? n : 0;
}

/* Goes on with a delimiter that began in the last piece. */
static bool go_on_matching(MultipartReader *r, Span *piece, Err *err)
{
    size_t left = r->length - r->matched, n = left < piece->n ? left : piece->n;
    if (memcmp(piece->p, r->delimiter + r->matched, n) == 0) {
        r->matched += n;
        *piece = span_sub(*piece, n, piece->n);
        if (r->matched == r->length)
            enter_after(r);
        return true;
    }
    Span held = span_sub(span_of(r->delimiter, r->matched), r->imagined, r->matched);
    r->matched = 0;
    return pass_on(r, held, err);
}

/*
 * Where the delimiter begins; NULL = not in this piece as a whole. memmem goes in steps as long as what it looks for: fast for boundaries that clients make up at random, slow for
 * short ones. For those, blocks are looked through for a CRLF first, in a loop of which compilers make vectors.
 */
static const uint8_t *find_delimiter(const MultipartReader *r, Span piece)
{
    enum { BLOCK = 64, SHORT = 24 };
    size_t at = 0;
    for (; r->length < SHORT && piece.n - at >= BLOCK + SHORT; at += BLOCK) {
        const uint8_t *p = piece.p + at;
        uint8_t any = 0;
        for (size_t i = 0; i < BLOCK; i++)
            any |= (uint8_t)((p[i] == '\r') & (p[i + 1] == '\n'));
        for (size_t i = 0; any && i < BLOCK; i++)
            if (p[i] == '\r' && memcmp(p + i, r->delimiter, r->length) == 0)
                return p + i;
    }
    return memmem(piece.p + at, piece.n - at, r->delimiter, r->length);
}

/* Looks for the delimiter; what cannot belong to one is passed on. */
static bool take_data(MultipartReader *r, Span *piece, Err *err)
{
    if (r->matched)
        return go_on_matching(r, piece, err);
    r->imagined = 0;
    const uint8_t *found = find_delimiter(r, *piece);
    size_t held = found ? r->length : held_back(r, *piece);
    size_t n = found ? (size_t)(found - piece->p) : piece->n - held;
    if (!pass_on(r, span_sub(*piece, 0, n), err))
        return false;
    *piece = span_sub(*piece, n + held, piece->n);
    r->matched = held;
    if (found)
        enter_after(r);
    return true;
}

/* It was data that begins like a delimiter. */
static bool was_data(MultipartReader *r, Err *err)
{
    r->state = r->before;
    Span delimiter = span_sub(span_of(r->delimiter, r->length), r->imagined, r->length);
    bool ok = pass_on(r, delimiter, err) && pass_on(r, buf_span(&r->after), err);
    buf_clear(&r->after);
    return ok;
}

static bool end_part(MultipartReader *r, State next, Err *err)
{
    bool in_part = r->before == DATA;
    buf_clear(&r->after);
    r->state = next;
    return !in_part || r->handler.end(r->handler.ctx, err);
}

/* "--": the last one. Blanks and CRLF: a part follows. Anything else: it was none. */
static bool take_after(MultipartReader *r, Span *piece, Err *err)
{
    while (piece->n) {
        uint8_t c = piece->p[0], last = r->after.n ? r->after.p[r->after.n - 1] : 0;
        bool closes = c == '-' && r->after.n == 1 && last == '-';
        bool ends = c == '\n' && last == '\r';
        bool goes_on = last != '\r' && last != '-' &&
                       (c == ' ' || c == '\t' || c == '\r' || (c == '-' && r->after.n == 0));
        if (!closes && !ends && !(goes_on && buf_u8(&r->after, c)))
            return was_data(r, err);
        *piece = span_sub(*piece, 1, piece->n);
        if (closes || ends)
            return end_part(r, closes ? EPILOGUE : HEAD, err);
    }
    return true;
}

/* Where the head ends, behind its empty line; 0 = not yet. `from`: what was looked at before. */
static size_t head_end(const Buf *head, size_t from)
{
    if (head->n >= 2 && memcmp(head->p, "\r\n", 2) == 0)
        return 2; /* no headers at all */
    from = from > 3 ? from - 3 : 0;
    const uint8_t *end = head->n > from ? memmem(head->p + from, head->n - from, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - head->p) + 4 : 0;
}

static bool take_head(MultipartReader *r, Span *piece, Err *err)
{
    size_t had = r->head.n, room = HEAD_MAX - had;
    buf_append_span(&r->head, span_sub(*piece, 0, room));
    size_t end = head_end(&r->head, had);
    if (end == 0 && piece->n >= room)
        return err_set(err, ERR_FORMAT, "multipart body: the head of part %zu is longer than %d bytes",
                       r->parts + 1, HEAD_MAX);
    *piece = span_sub(*piece, end ? end - had : piece->n, piece->n);
    if (end == 0)
        return true;
    r->head.n = end;
    return begin_part(r, err);
}

bool multipart_feed(MultipartReader *r, Span piece, Err *err)
{
    while (piece.n) {
        switch (r->state) {
        case PREAMBLE:
        case DATA:
            if (!take_data(r, &piece, err))
                return false;
            break;
        case AFTER:
            if (!take_after(r, &piece, err))
                return false;
            break;
        case HEAD:
            if (!take_head(r, &piece, err))
                return false;
            break;
        case EPILOGUE:
            return true;
        }
    }
    return true;
}

bool multipart_finish(MultipartReader *r, Err *err)
{
    if (r->state == EPILOGUE)
        return true;
    return r->parts ? err_set(err, ERR_FORMAT,
                              "multipart body: it ends in part %zu, without the closing boundary", r->parts)
                    : err_set(err, ERR_FORMAT, "multipart body: no part in it; is the boundary right?");
}
