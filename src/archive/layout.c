// SPDX-License-Identifier: MIT
/*
 * Where objects lie: <PatientID>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>, as SPHERE lays them out.
 *
 * A clean identifier is its own name. Everything else is encoded so that no two identifiers share a name and none leaves its place:
 *   - control characters, '/', '\', '%', bytes that are not UTF-8, a leading '.': '%' and two upper-case hex digits
 *   - the empty identifier: "%" (SPHERE leaves the level out; here the tree is four levels deep always)
 *   - an encoded form longer than 200 bytes: its first 150 bytes or less, "%%" and 32 hex digits of SHA-256 of the identifier
 *   - other content under one UID: the name, "%+" and 32 hex digits of the content's digest
 * '%' never stands for itself, so the four cannot be confused with each other or with a clean identifier.
 *
 * A layout of the caller's (ArcLayout) may give one name to two objects, and its names do not say what an object is.
 */
#include "archive/archive_internal.h"

#include "base/file.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { PART_MAX = 200, CUT = 150, HASH_BYTES = 16 };

/* Length of the UTF-8 character at the start of `s` (not overlong, no surrogate), 0 when there is none. */
static size_t character(Span s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = s.p[0];
    size_t n = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
    if (n <= 1 || n > s.n || first > 0xF4)
        return n == 1;
    uint32_t c = first & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s.p[i] & 0x3Fu);
    }
    bool surrogate = c >= 0xD800 && c < 0xE000;
    return c < least[n] || c > 0x10FFFF || surrogate ? 0 : n;
}

static bool is_control(Span c)
{
    if (c.n == 1)
        return c.p[0] < 0x20 || c.p[0] == 0x7F;
    return c.n == 2 && c.p[0] == 0xC2 && c.p[1] < 0xA0;
}

static bool stands_for_itself(Span c, bool first)
{
    if (is_control(c))
        return false;
    return c.n > 1 || !(c.p[0] == '/' || c.p[0] == '\\' || c.p[0] == '%' || (first && c.p[0] == '.'));
}

static void append_hex(Buf *out, const uint8_t *p, size_t n, bool upper)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, upper ? "%02X" : "%02x", p[i]);
}

/* Encodes until `limit` bytes are there; characters and escapes are not cut. True when all went in. */
static bool encode(Span value, size_t limit, Buf *out)
{
    size_t at = 0;
    while (at < value.n) {
        Span rest = span_sub(value, at, SIZE_MAX);
        size_t n = character(rest);
        Span c = span_sub(rest, 0, n ? n : 1);
        bool plain = n && stands_for_itself(c, at == 0);
        if (out->n + (plain ? c.n : 3 * c.n) > limit)
            return false;
        if (plain)
            buf_append_span(out, c);
        for (size_t i = 0; !plain && i < c.n; i++) {
            buf_u8(out, '%');
            append_hex(out, c.p + i, 1, true);
        }
        at += c.n;
    }
    return true;
}

static void encode_long(Span value, Buf *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    encode(value, CUT, out);
    EVP_Digest(value.p, value.n, digest, &n, EVP_sha256(), NULL);
    buf_append_cstr(out, "%%");
    append_hex(out, digest, HASH_BYTES, false);
}

const char *layout_part(Arena *arena, Span value)
{
    Buf out;
    buf_init(&out, 0);
    if (value.n == 0)
        buf_u8(&out, '%');
    else if (!encode(value, PART_MAX, &out)) {
        buf_clear(&out);
        encode_long(value, &out);
    }
    const char *part = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return part;
}

const char *layout_name(Arena *arena, Span patient_id, Span study, Span series, Span instance)
{
    return arena_printf(arena, "%s/%s/%s/%s", layout_part(arena, patient_id), layout_part(arena, study),
                        layout_part(arena, series), layout_part(arena, instance));
}

#define VARIANT_MARK "%+"
enum { VARIANT_HEX = 32 };

const char *layout_variant_mark(const char *name)
{
    size_t n = strlen(name), mark = strlen(VARIANT_MARK) + VARIANT_HEX;
    const char *found = n >= mark ? name + n - mark : NULL;
    bool is_one = found && strncmp(found, VARIANT_MARK, strlen(VARIANT_MARK)) == 0 &&
                  strspn(found + strlen(VARIANT_MARK), "0123456789abcdef") == VARIANT_HEX;
    return is_one ? found : NULL;
}

const char *layout_variant(Arena *arena, const char *name, const uint8_t content[16])
{
    Buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s%s", name, VARIANT_MARK);
    append_hex(&out, content, 16, false);
    const char *variant = arena_span_cstr(arena, buf_span(&out));
    buf_free(&out);
    return variant;
}

const char *layout_beside(Arena *arena, const char *name, const char *sop_instance, unsigned attempt)
{
    enum { DIGITS_FIRST = 7, DIGITS_NEXT = 16, DIGITS_MAX = 32 };
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t digits = attempt <= 1 ? DIGITS_FIRST : attempt == 2 ? DIGITS_NEXT : DIGITS_MAX;
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    size_t stem = dot && isalpha((unsigned char)dot[1]) ? (size_t)(dot - name) : strlen(name);
    Buf hex;
    buf_init(&hex, 0);
    EVP_Digest(sop_instance, strlen(sop_instance), digest, &n, EVP_sha256(), NULL);
    append_hex(&hex, digest, DIGITS_MAX / 2, false);
    const char *out =
        arena_printf(arena, "%.*s_%.*s%s", (int)stem, name, (int)digits, buf_cstr(&hex), name + stem);
    buf_free(&hex);
    return out;
}

/* -- of this archive -- */

bool archive_names_are_foreign(const Archive *archive)
{
    return archive->settings.layout.name != NULL;
}

static bool is_name(const char *name)
{
    if (!file_is_safe_relative(name) || *name == '.' || strstr(name, "/."))
        return false;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return false;
    return true;
}

const char *archive_name(Archive *archive, Arena *arena, const IdxFile *file, const DcmDataset *head,
                         Err *err)
{
    const ArcLayout *layout = &archive->settings.layout;
    if (!layout->name)
        return layout_name(arena, span_cstr(file->patient_id), span_cstr(file->study),
                           span_cstr(file->series), span_cstr(file->sop_instance));
    const char *name = layout->name(layout->ctx, arena, head, err);
    if (!name || is_name(name))
        return name;
    err_set(err, ERR_INTERNAL, "the layout made a name that cannot be used");
    return NULL;
}
