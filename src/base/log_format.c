// SPDX-License-Identifier: MIT
/* Formats in the words of Python's "%" operator with a mapping: %(NAME)[FLAGS][WIDTH][.PRECISION]TYPE. */
#include "base/log_format.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LEVELS = 6, MAX_WIDTH = 255, DATE_SIZE = 64, COLOUR_SIZE = 32, ROOM = 96 };
#define RESET "\033[0m"

/* One of the two gives a field's value; `room` is for texts that are made. */
typedef Span (*TextOf)(const LogFormat *, const LogRecord *, char room[ROOM]);
typedef double (*NumberOf)(const LogRecord *);

typedef struct Piece {
    TextOf text;
    NumberOf number;
    Span literal; /* when it is neither */
    bool colour;  /* on terminals only */
    bool left, zero;
    char type; /* 's', 'd' or 'f' */
    int width, precision;
} Piece;

struct LogFormat {
    unsigned id; /* for the cache of dates */
    Piece *pieces;
    size_t count;
    const char *dates;
    bool coloured;
    char colours[LEVELS][COLOUR_SIZE]; /* by level / 10 */
};

/* The pattern of a date comes from the settings, so the compiler cannot check it; strftime writes no more than DATE_SIZE. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static bool format_date(const char *pattern, int64_t second, char out[DATE_SIZE])
{
    time_t t = (time_t)second;
    struct tm at;
    localtime_r(&t, &at);
    return strftime(out, DATE_SIZE, pattern ? pattern : "%Y-%m-%d %H:%M:%S", &at) > 0;
}
#pragma GCC diagnostic pop

/* -- colours -- */

static bool take_prefix(Span *name, const char *prefix)
{
    if (!span_starts(*name, span_cstr(prefix)))
        return false;
    *name = span_sub(*name, strlen(prefix), SIZE_MAX);
    return true;
}

/* "red", "bold_red", "light_red", "bg_red", "reset" … as an ANSI sequence behind what `out` has. */
static bool add_colour(Span name, char out[COLOUR_SIZE])
{
    static const char *const names[] = {"black", "red", "green", "yellow", "blue", "purple", "cyan", "white"};
    enum { FOREGROUND = 30, BACKGROUND = 40, LIGHT = 60 };
    const char *weight = "";
    char code[16] = "";
    if (span_eq_cstr(name, "reset"))
        span_copy(SPAN(RESET), code, sizeof code);
    else if (span_eq_cstr(name, "bold"))
        span_copy(SPAN("\033[01m"), code, sizeof code);
    else if (span_eq_cstr(name, "thin"))
        span_copy(SPAN("\033[02m"), code, sizeof code);
    bool background = take_prefix(&name, "bg_");
    take_prefix(&name, "fg_");
    if (!background)
        weight = take_prefix(&name, "bold_") ? "01;" : take_prefix(&name, "thin_") ? "02;" : "";
    int base = (background ? BACKGROUND : FOREGROUND) + (take_prefix(&name, "light_") ? LIGHT : 0);
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (span_eq_cstr(name, names[i]))
            snprintf(code, sizeof code, "\033[%s%dm", weight, base + i);
    size_t have = strlen(out);
    if (!*code || have + strlen(code) >= COLOUR_SIZE)
        return false;
    span_copy(span_cstr(code), out + have, COLOUR_SIZE - have);
    return true;
}

static int colour_slot(int level)
{
    int slot = level / LOG_DEBUG;
    return slot < 0 ? 0 : slot < LEVELS ? slot : LEVELS - 1;
}

static bool set_colours(LogFormat *format, const LogFormatText *text, Err *err)
{
    static const char *const usual[LEVELS] = {"", "cyan", "green", "yellow", "red", "bold_red"};
    for (int i = 1; i < LEVELS; i++)
        add_colour(span_cstr(usual[i]), format->colours[i]);
    for (size_t i = 0; i < text->colour_count; i++) {
        char *out = format->colours[colour_slot(text->colours[i].level)];
        *out = 0;
        Span rest = span_cstr(text->colours[i].names), name;
        bool more = true;
        while (span_split(&rest, ',', &name, &more))
            if (span_trim(name).n && !add_colour(span_trim(name), out))
                return err_set(
                    err, ERR_FORMAT,
                    "'%.40s' is no colour; allowed are black, red, green, yellow, blue, purple, "
                    "cyan and white, also behind light_, bold_, thin_ and bg_, separated by commas",
                    text->colours[i].names);
    }
    return true;
}

/* -- values -- */

/* One date for all lines of a second. */
static Span date_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    static _Thread_local struct {
        unsigned id;
        int64_t second;
        char text[DATE_SIZE];
    } last;
    int64_t second = r->wall_us / 1000000;
    if (last.id != format->id || last.second != second) {
        if (!format_date(format->dates, second, last.text))
            *last.text = 0;
        last.id = format->id;
        last.second = second;
    }
    if (format->dates)
        return span_cstr(last.text);
    size_t n = strlen(last.text);
    unsigned ms = (unsigned)(r->wall_us / 1000 % 1000);
    memcpy(room, last.text, n);
    room[n++] = ',';
    room[n++] = (char)('0' + ms / 100 % 10);
    room[n++] = (char)('0' + ms / 10 % 10);
    room[n++] = (char)('0' + ms % 10);
    return span_of(room, n);
}

static Span name_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return *r->logger ? span_cstr(r->logger) : SPAN("root");
}

static Span level_name_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return span_cstr(log_level_name(r->level));
}

static Span level_colour_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return span_cstr(format->colours[colour_slot(r->level)]);
}

static Span path_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return span_cstr(r->file);
}

static Span file_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    const char *slash = strrchr(r->file, '/');
    return span_cstr(slash ? slash + 1 : r->file);
}

static Span module_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    Span file = file_of(format, r, room);
    return span_sub(file, 0, span_index(file, '.'));
}

static Span function_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return span_cstr(r->function);
}

static Span message_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return span_cstr(r->message);
}

static Span process_name_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    return SPAN("MainProcess");
}

static Span thread_name_of(const LogFormat *format, const LogRecord *r, char room[ROOM])
{
    if (getpid() == gettid())
        return SPAN("MainThread");
    int n = snprintf(room, ROOM, "Thread-%d", (int)gettid());
    return span_of(room, (size_t)n);
}

static double created_of(const LogRecord *r)
{
    return (double)r->wall_us / 1e6;
}

static double msecs_of(const LogRecord *r)
{
    return (double)(r->wall_us % 1000000) / 1e3;
}

static double level_number_of(const LogRecord *r)
{
    return r->level;
}

static double line_of(const LogRecord *r)
{
    return r->line;
}

static double process_of(const LogRecord *r)
{
    return getpid();
}

static double thread_of(const LogRecord *r)
{
    return gettid();
}

static const struct {
    const char *name;
    TextOf text;
    NumberOf number;
} fields[] = {
    {"asctime", .text = date_of},
    {"created", .number = created_of},
    {"filename", .text = file_of},
    {"funcName", .text = function_of},
    {"levelname", .text = level_name_of},
    {"levelno", .number = level_number_of},
    {"lineno", .number = line_of},
    {"message", .text = message_of},
    {"module", .text = module_of},
    {"msecs", .number = msecs_of},
    {"name", .text = name_of},
    {"pathname", .text = path_of},
    {"process", .number = process_of},
    {"processName", .text = process_name_of},
    {"thread", .number = thread_of},
    {"threadName", .text = thread_name_of},
    {"log_color", .text = level_colour_of},
};

/* -- compiling -- */

static Piece *add_piece(Arena *arena, LogFormat *format, size_t *room)
{
    if (format->count == *room) {
        *room = *room ? 2 * *room : 16;
        Piece *more = arena_alloc(arena, *room * sizeof *more);
        if (format->count)
            memcpy(more, format->pieces, format->count * sizeof *more);
        format->pieces = more;
    }
    return &format->pieces[format->count++];
}

static bool find_field(Arena *arena, Span name, Piece *piece)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (span_eq_cstr(name, fields[i].name)) {
            piece->text = fields[i].text;
            piece->number = fields[i].number;
            piece->colour = fields[i].text == level_colour_of;
            return true;
        }
    char code[COLOUR_SIZE] = "";
    if (!add_colour(name, code))
        return false;
    piece->literal = span_cstr(arena_strdup(arena, code));
    piece->colour = true;
    return true;
}

static bool unknown_field(Span name, Err *err)
{
    enum { SHOWN = 30 };
    char names[256] = "";
    for (size_t i = 0, n = 0; i < sizeof fields / sizeof *fields; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", fields[i].name);
    return err_set(err, ERR_FORMAT, "'%%(%.*s)' is no field; there are %s, reset and colours",
                   (int)(name.n < SHOWN ? name.n : SHOWN), (const char *)name.p, names);
}

static int take_number(const char **p)
{
    int n = 0;
    for (; **p >= '0' && **p <= '9'; ++*p)
        if (n <= MAX_WIDTH)
            n = n * 10 + (**p - '0');
    return n;
}

/* Behind "%(": NAME)[FLAGS][WIDTH][.PRECISION]TYPE. */
static bool take_field(Arena *arena, const char **p, Piece *piece, Err *err)
{
    const char *end = strchr(*p, ')');
    if (!end)
        return err_set(err, ERR_FORMAT, "')' is missing behind '%%(%.30s'", *p);
    Span name = span_of(*p, (size_t)(end - *p));
    *piece = (Piece){.precision = -1};
    if (!find_field(arena, name, piece))
        return unknown_field(name, err);
    for (*p = end + 1; **p && strchr("-0+ #", **p); ++*p) {
        piece->left |= **p == '-';
        piece->zero |= **p == '0';
    }
    piece->width = take_number(p);
    if (**p == '.') {
        ++*p;
        piece->precision = take_number(p);
    }
    if (piece->width > MAX_WIDTH || piece->precision > MAX_WIDTH)
        return err_set(err, ERR_FORMAT, "%%(%.*s): a width is at most %d", SPAN_FMT(name), MAX_WIDTH);
    const char *allowed = piece->number ? "sdif" : "s";
    if (!**p || !strchr(allowed, **p))
        return err_set(err, ERR_FORMAT, "behind %%(%.*s) one of the letters %s is expected", SPAN_FMT(name),
                       piece->number ? "s, d, i, f" : "s");
    piece->type = **p == 'i' ? 'd' : **p;
    ++*p;
    return true;
}

static Piece literal(Span text)
{
    return (Piece){.literal = text, .type = 's', .precision = -1};
}

static bool compile(Arena *arena, LogFormat *format, const char *p, Err *err)
{
    size_t room = 0;
    while (*p) {
        size_t n = strcspn(p, "%");
        if (n) {
            *add_piece(arena, format, &room) = literal(span_of(p, n));
            p += n;
        } else if (p[1] == '%') {
            *add_piece(arena, format, &room) = literal(span_of(p, 1));
            p += 2;
        } else if (p[1] == '(') {
            p += 2;
            if (!take_field(arena, &p, add_piece(arena, format, &room), err))
                return false;
        } else {
            return err_set(err, ERR_FORMAT,
                           "'%.10s' is no field; a field is %%(name)s, and %%%% a percent sign", p);
        }
    }
    return true;
}

const LogFormat *log_format_compile(Arena *arena, const LogFormatText *text, Err *err)
{
    static atomic_uint ids;
    LogFormat *format = arena_alloc(arena, sizeof *format);
    format->id = atomic_fetch_add(&ids, 1) + 1;
    format->coloured = text->coloured;
    if (text->dates) {
        char date[DATE_SIZE];
        if (!format_date(text->dates, time(NULL), date)) {
            err_set(err, ERR_FORMAT, "'%.60s' makes no date, or one longer than %d characters", text->dates,
                    DATE_SIZE - 1);
            return NULL;
        }
        format->dates = arena_strdup(arena, text->dates);
    }
    const char *layout = arena_strdup(arena, text->format ? text->format : LOG_FORMAT_DEFAULT);
    return set_colours(format, text, err) && compile(arena, format, layout, err) ? format : NULL;
}

/* -- rendering -- */

typedef struct Out {
    char *p;
    size_t n, room;
} Out;

static void put(Out *out, const char *text, size_t n)
{
    if (n > out->room - out->n)
        n = out->room - out->n;
    memcpy(out->p + out->n, text, n);
    out->n += n;
}

static void pad(Out *out, char with, size_t have, int width)
{
    size_t n = (size_t)width > have ? (size_t)width - have : 0;
    if (n > out->room - out->n)
        n = out->room - out->n;
    memset(out->p + out->n, with, n);
    out->n += n;
}

static void put_padded(Out *out, const Piece *piece, const char *text, size_t n)
{
    if (piece->type == 's' && piece->precision >= 0 && n > (size_t)piece->precision)
        n = (size_t)piece->precision;
    if (!piece->left)
        pad(out, piece->zero && piece->type != 's' ? '0' : ' ', n, piece->width);
    put(out, text, n);
    if (piece->left)
        pad(out, ' ', n, piece->width);
}

static void put_number(Out *out, const Piece *piece, double value)
{
    char text[MAX_WIDTH + 64];
    if (piece->type == 'f')
        snprintf(text, sizeof text, "%.*f", piece->precision >= 0 ? piece->precision : 6, value);
    else
        snprintf(text, sizeof text, "%" PRId64, (int64_t)value);
    put_padded(out, piece, text, strlen(text));
}

static void put_piece(Out *out, const LogFormat *format, const Piece *piece, const LogRecord *r, bool colour)
{
    char room[ROOM];
    if (piece->colour && !colour)
        return;
    if (piece->number) {
        put_number(out, piece, piece->number(r));
    } else {
        Span text = piece->text ? piece->text(format, r, room) : piece->literal;
        put_padded(out, piece, (const char *)text.p, text.n);
    }
}

size_t log_format_render(const LogFormat *format, const LogRecord *record, bool colour, char *out,
                         size_t size)
{
    /* room for what ends a line in any case */
    Out line = {.p = out, .room = size - sizeof RESET - 1};
    if (format)
        for (size_t i = 0; i < format->count; i++)
            put_piece(&line, format, &format->pieces[i], record, colour);
    else
        put(&line, record->message, strlen(record->message));
    /* a character that was cut in two */
    if (line.n == line.room) {
        while (line.n && ((unsigned char)out[line.n - 1] & 0xC0) == 0x80)
            line.n--;
        if (line.n && (unsigned char)out[line.n - 1] >= 0xC0)
            line.n--;
    }
    line.room = size;
    if (format && format->coloured && colour)
        put(&line, RESET, strlen(RESET));
    put(&line, "\n", 1);
    return line.n;
}
