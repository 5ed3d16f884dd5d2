// SPDX-License-Identifier: MIT
/*
 * PDUs from bytes, PS3.8 §9.3, with the user-information items of PS3.8 D.1 and PS3.7 D.3.3. Everything is read through Cursor.
 *
 * A PDU is type (1), reserved (1), length (4, big endian), body. An item or sub-item is type (1), reserved (1), length (2), body. An item
 * body is decoded through a cursor of its own, so that an item cannot reach beyond its length. What is unknown is skipped, as
 * PS3.8 §9.3.1 asks; what may stand once and stands twice is an error.
 */
#include "net/pdu.h"

#include "base/cursor.h"

#include <string.h>

enum {
    ITEM_APPLICATION_CONTEXT = 0x10,
    ITEM_CONTEXT_RQ = 0x20,
    ITEM_CONTEXT_AC = 0x21,
    ITEM_ABSTRACT_SYNTAX = 0x30,
    ITEM_TRANSFER_SYNTAX = 0x40,
    ITEM_USER_INFORMATION = 0x50,
    ITEM_MAX_LENGTH = 0x51,
    ITEM_IMPLEMENTATION_CLASS = 0x52,
    ITEM_ASYNC = 0x53,
    ITEM_ROLE = 0x54,
    ITEM_IMPLEMENTATION_VERSION = 0x55,
    ITEM_EXTENDED = 0x56,
    ITEM_COMMON_EXTENDED = 0x57,
    ITEM_IDENTITY_RQ = 0x58,
    ITEM_IDENTITY_AC = 0x59,
};

enum {
    MAX_USER_ITEMS = 512, /* of each kind that may repeat */
    MAX_RELATED = 64,
    /* A peer that does not say what it can take gets what every peer can take. */
    DEFAULT_MAX_PDU = 16384,
};

typedef struct Decoder {
    Arena *arena;
    NetPduType type;
    NetAssociate *out;
    bool has_max_length;
    uint8_t seen_ids[256];
    Err *err;
} Decoder;

typedef struct Item {
    uint8_t type;
    size_t at; /* of its first byte, in the body of the PDU */
    Cursor body;
} Item;

static bool lie(Decoder *d, const Item *item, const char *what)
{
    return err_set(d->err, ERR_FORMAT, "A-ASSOCIATE-%s: item %02XH at byte %zu: %s",
                   d->type == NET_A_ASSOCIATE_RQ ? "RQ" : "AC", item->type, item->at + NET_PDU_HEADER, what);
}

/* Cuts the next item off `c`, which begins at byte `base` of the body. False at the end, or on a lie (err set). */
static bool next_item(Decoder *d, Cursor *c, size_t base, Item *item)
{
    if (cur_left(c) == 0)
        return false;
    *item = (Item){.at = base + c->at};
    item->type = cur_u8(c);
    cur_skip(c, 1);
    uint16_t n = cur_u16(c);
    item->body = cur_of(cur_take(c, n), true);
    return c->failed ? lie(d, item, "is longer than what holds it") : true;
}

static bool stopped_well(const Decoder *d, const Cursor *c)
{
    return !c->failed && d->err->code == ERR_NONE;
}

static Span rest_of(Cursor *c)
{
    return cur_take(c, cur_left(c));
}

/* UIDs come padded with NUL or blanks from some peers. */
static Span uid_rest(Cursor *c)
{
    return span_trim(rest_of(c));
}

static size_t count_items(Cursor c, uint8_t type)
{
    size_t count = 0;
    while (cur_left(&c) > 0) {
        uint8_t found = cur_u8(&c);
        cur_skip(&c, 1);
        uint16_t n = cur_u16(&c);
        cur_skip(&c, n);
        count += !c.failed && found == type;
    }
    return count;
}

static bool context_syntaxes(Decoder *d, const Item *outer, NetContext *context)
{
    Cursor c = outer->body;
    size_t base = outer->at + 4;
    size_t room = count_items(c, ITEM_TRANSFER_SYNTAX);
    if (room > NET_MAX_SYNTAXES)
        return lie(d, outer, "proposes too many transfer syntaxes");
    context->transfer_syntaxes = arena_try_array(d->arena, room, sizeof(Span));
    if (room && !context->transfer_syntaxes)
        return lie(d, outer, "needs too much memory");
    bool has_abstract = false;
    for (Item item; next_item(d, &c, base, &item);) {
        if (item.type == ITEM_TRANSFER_SYNTAX) {
            context->transfer_syntaxes[context->transfer_syntax_count++] = uid_rest(&item.body);
        } else if (item.type == ITEM_ABSTRACT_SYNTAX) {
            if (has_abstract)
                return lie(d, &item, "is the second abstract syntax of one context");
            has_abstract = true;
            /* In an answer it has no place (PS3.8 §9.3.3.2): the id says which was proposed. */
            if (d->type == NET_A_ASSOCIATE_RQ)
                context->abstract_syntax = uid_rest(&item.body);
        }
    }
    return stopped_well(d, &c);
}

static bool is_complete(Decoder *d, const Item *item, const NetContext *context)
{
    if (d->type == NET_A_ASSOCIATE_RQ) {
        if (context->abstract_syntax.n == 0)
            return lie(d, item, "has no abstract syntax");
        if (context->transfer_syntax_count == 0)
            return lie(d, item, "has no transfer syntax");
    } else if (context->result == NET_CONTEXT_ACCEPTED && context->transfer_syntax_count != 1) {
        return lie(d, item, "is accepted without exactly one transfer syntax");
    }
    return true;
}

static bool decode_context(Decoder *d, Item *item)
{
    NetAssociate *out = d->out;
    if (out->context_count >= NET_MAX_CONTEXTS)
        return lie(d, item, "is one presentation context too many");
    NetContext *context = &out->contexts[out->context_count];
    Cursor *c = &item->body;
    context->id = cur_u8(c);
    cur_skip(c, 1);
    uint8_t result = cur_u8(c);
    cur_skip(c, 1);
    if (c->failed)
        return lie(d, item, "is too short for a presentation context");
    if (context->id % 2 == 0)
        return lie(d, item, "has an even context id");
    if (d->seen_ids[context->id]++)
        return lie(d, item, "repeats a context id");
    if (d->type == NET_A_ASSOCIATE_AC) {
        /* A result that the standard does not know is no acceptance, whatever it means. */
        context->result =
            result <= NET_CONTEXT_TRANSFER_SYNTAXES ? (NetContextResult)result : NET_CONTEXT_NO_REASON;
    }
    Item inner = {.type = item->type, .at = item->at + 4, .body = cur_of(rest_of(c), true)};
    if (!context_syntaxes(d, &inner, context) || !is_complete(d, item, context))
        return false;
    out->context_count++;
    return true;
}

/* A UID with its 2-byte length in front. */
static Span counted(Cursor *c)
{
    uint16_t n = cur_u16(c);
    return cur_take(c, n);
}

static bool decode_role(Decoder *d, Item *item)
{
    NetRole *role = &d->out->roles[d->out->role_count];
    role->sop_class = span_trim(counted(&item->body));
    role->scu = cur_u8(&item->body) != 0;
    role->scp = cur_u8(&item->body) != 0;
    if (item->body.failed)
        return lie(d, item, "is a role selection that ends early");
    for (size_t i = 0; i < d->out->role_count; i++) {
        const NetRole *before = &d->out->roles[i];
        if (!span_eq(before->sop_class, role->sop_class))
            continue;
        /* DCMTK (Orthanc too) repeats the item for every context of a class; only a contradiction is a lie. */
        if (before->scu == role->scu && before->scp == role->scp)
            return true;
        return lie(d, item, "selects roles twice for one SOP class");
    }
    d->out->role_count++;
    return true;
}

static bool decode_extended(Decoder *d, Item *item)
{
    NetExtended *extended = &d->out->extended[d->out->extended_count];
    extended->sop_class = span_trim(counted(&item->body));
    extended->info = rest_of(&item->body);
    if (item->body.failed)
        return lie(d, item, "is an extended negotiation that ends early");
    d->out->extended_count++;
    return true;
}

static bool decode_related(Decoder *d, Item *item, NetCommonExtended *common)
{
    Cursor c = cur_of(counted(&item->body), true);
    if (item->body.failed)
        return lie(d, item, "is a common extended negotiation that ends early");
    size_t room = c.bytes.n / 2;
    room = room < MAX_RELATED ? room : MAX_RELATED;
    common->related = arena_try_array(d->arena, room, sizeof(Span));
    if (room && !common->related)
        return lie(d, item, "needs too much memory");
    while (cur_left(&c) > 0) {
        Span related = span_trim(counted(&c));
        if (c.failed)
            return lie(d, item, "has a related SOP class that ends early");
        if (common->related_count == room)
            return lie(d, item, "names too many related SOP classes");
        common->related[common->related_count++] = related;
    }
    return true;
}

static bool decode_common(Decoder *d, Item *item)
{
    NetCommonExtended *common = &d->out->common[d->out->common_count];
    common->sop_class = span_trim(counted(&item->body));
    common->service_class = span_trim(counted(&item->body));
    /* Early implementations leave the list out; PS3.7 D.3.3.6 wants it, empty. */
    bool has_list = cur_left(&item->body) > 0;
    if (item->body.failed)
        return lie(d, item, "is a common extended negotiation that ends early");
    if (has_list && !decode_related(d, item, common))
        return false;
    d->out->common_count++;
    return true;
}

static bool decode_identity(Decoder *d, Item *item)
{
    NetAssociate *out = d->out;
    if (item->type == ITEM_IDENTITY_AC) {
        if (out->has_identity_response)
            return lie(d, item, "is the second user identity response");
        out->has_identity_response = true;
        out->identity_response = counted(&item->body);
    } else {
        if (out->has_identity)
            return lie(d, item, "is the second user identity");
        out->has_identity = true;
        out->identity.type = cur_u8(&item->body);
        out->identity.response_requested = cur_u8(&item->body) != 0;
        out->identity.primary = counted(&item->body);
        out->identity.secondary = counted(&item->body);
    }
    return item->body.failed ? lie(d, item, "is a user identity that ends early") : true;
}

static bool decode_max_length(Decoder *d, Item *item)
{
    if (d->has_max_length)
        return lie(d, item, "is the second maximum length");
    d->has_max_length = true;
    d->out->max_pdu = cur_u32(&item->body);
    return item->body.failed ? lie(d, item, "is a maximum length of less than 4 bytes") : true;
}

static bool decode_async(Decoder *d, Item *item)
{
    if (d->out->has_async)
        return lie(d, item, "is the second asynchronous operations window");
    d->out->has_async = true;
    d->out->async_invoked = cur_u16(&item->body);
    d->out->async_performed = cur_u16(&item->body);
    return item->body.failed ? lie(d, item, "is an asynchronous operations window of less than 4 bytes")
                             : true;
}

static bool decode_text(Decoder *d, Item *item, Span *text)
{
    if (text->p)
        return lie(d, item, "stands twice");
    *text = uid_rest(&item->body);
    return true;
}

static bool decode_user_item(Decoder *d, Item *item)
{
    switch (item->type) {
    case ITEM_MAX_LENGTH:
        return decode_max_length(d, item);
    case ITEM_IMPLEMENTATION_CLASS:
        return decode_text(d, item, &d->out->implementation_class);
    case ITEM_IMPLEMENTATION_VERSION:
        return decode_text(d, item, &d->out->implementation_version);
    case ITEM_ASYNC:
        return decode_async(d, item);
    case ITEM_ROLE:
        return decode_role(d, item);
    case ITEM_EXTENDED:
        return decode_extended(d, item);
    case ITEM_COMMON_EXTENDED:
        return decode_common(d, item);
    case ITEM_IDENTITY_RQ:
    case ITEM_IDENTITY_AC:
        return decode_identity(d, item);
    default:
        return true;
    }
}

static bool make_room(Decoder *d, const Item *item, uint8_t type, size_t size, void **array)
{
    size_t count = count_items(item->body, type);
    if (count > MAX_USER_ITEMS)
        return lie(d, item, "holds too many sub-items of one kind");
    *array = arena_try_array(d->arena, count, size);
    return *array || count == 0 ? true : lie(d, item, "needs too much memory");
}

static bool decode_user_information(Decoder *d, Item *item)
{
    NetAssociate *out = d->out;
    void *roles, *extended, *common;
    if (!make_room(d, item, ITEM_ROLE, sizeof *out->roles, &roles) ||
        !make_room(d, item, ITEM_EXTENDED, sizeof *out->extended, &extended) ||
        !make_room(d, item, ITEM_COMMON_EXTENDED, sizeof *out->common, &common))
        return false;
    out->roles = roles;
    out->extended = extended;
    out->common = common;
    Cursor c = item->body;
    for (Item inner; next_item(d, &c, item->at + 4, &inner);)
        if (!decode_user_item(d, &inner))
            return false;
    return stopped_well(d, &c);
}

static bool decode_item(Decoder *d, Item *item, bool *has_user)
{
    uint8_t context = d->type == NET_A_ASSOCIATE_RQ ? ITEM_CONTEXT_RQ : ITEM_CONTEXT_AC;
    if (item->type == context)
        return decode_context(d, item);
    if (item->type == ITEM_APPLICATION_CONTEXT)
        return decode_text(d, item, &d->out->application_context);
    if (item->type != ITEM_USER_INFORMATION)
        return true;
    if (*has_user)
        return lie(d, item, "is the second user information");
    *has_user = true;
    return decode_user_information(d, item);
}

static bool decode_items(Decoder *d, Cursor *c)
{
    size_t base = c->at;
    Cursor items = cur_of(rest_of(c), true);
    uint8_t context = d->type == NET_A_ASSOCIATE_RQ ? ITEM_CONTEXT_RQ : ITEM_CONTEXT_AC;
    size_t room = count_items(items, context);
    room = room < NET_MAX_CONTEXTS ? room : NET_MAX_CONTEXTS;
    d->out->contexts = arena_try_array(d->arena, room, sizeof(NetContext));
    if (room && !d->out->contexts)
        return err_set(d->err, ERR_LIMIT, "A-ASSOCIATE: needs too much memory");
    bool has_user = false;
    for (Item item; next_item(d, &items, base, &item);)
        if (!decode_item(d, &item, &has_user))
            return false;
    return stopped_well(d, &items);
}

bool net_associate_decode(Arena *arena, NetPduType type, Span body, NetAssociate *out, Err *err)
{
    Err own = {.code = ERR_NONE};
    NetAssociate pdu = {.max_pdu = DEFAULT_MAX_PDU};
    Decoder d = {.arena = arena, .type = type, .out = &pdu, .err = &own};
    Cursor c = cur_of(body, true);
    pdu.protocol_version = cur_u16(&c);
    cur_skip(&c, 2);
    pdu.called_ae = span_trim(cur_take(&c, 16));
    pdu.calling_ae = span_trim(cur_take(&c, 16));
    cur_skip(&c, 32);
    if (c.failed)
        err_set(&own, ERR_FORMAT, "A-ASSOCIATE: ends after %zu bytes, before its first item", body.n);
    else if (decode_items(&d, &c))
        *out = pdu;
    if (own.code == ERR_NONE)
        return true;
    if (err)
        *err = own;
    return false;
}

bool net_pdu_header(Span six, NetPduType *type, uint32_t *length)
{
    Cursor c = cur_of(six, true);
    uint8_t found = cur_u8(&c);
    cur_skip(&c, 1);
    uint32_t n = cur_u32(&c);
    if (c.failed || found < NET_A_ASSOCIATE_RQ || found > NET_A_ABORT)
        return false;
    *type = (NetPduType)found;
    *length = n;
    return true;
}

bool net_reject_decode(Span body, NetReject *out, Err *err)
{
    Cursor c = cur_of(body, true);
    cur_skip(&c, 1);
    NetReject reject = {.result = cur_u8(&c)};
    reject.source = cur_u8(&c);
    reject.reason = cur_u8(&c);
    if (c.failed)
        return err_set(err, ERR_FORMAT, "A-ASSOCIATE-RJ: has %zu bytes instead of 4", body.n);
    *out = reject;
    return true;
}

bool net_abort_decode(Span body, NetAbort *out, Err *err)
{
    Cursor c = cur_of(body, true);
    cur_skip(&c, 2);
    NetAbort abort = {.source = cur_u8(&c)};
    abort.reason = cur_u8(&c);
    if (c.failed)
        return err_set(err, ERR_FORMAT, "A-ABORT: has %zu bytes instead of 4", body.n);
    *out = abort;
    return true;
}

bool net_pdv_header(Span six, size_t pdu_left, NetPdv *out, uint32_t *length, Err *err)
{
    Cursor c = cur_of(six, true);
    uint32_t n = cur_u32(&c);
    NetPdv pdv = {.context_id = cur_u8(&c)};
    uint8_t control = cur_u8(&c);
    if (c.failed)
        return err_set(err, ERR_FORMAT, "P-DATA-TF: %zu bytes are left, too few for a PDV", pdu_left);
    if (n < 2 || n > pdu_left - 4)
        return err_set(err, ERR_FORMAT, "P-DATA-TF: a PDV claims %u bytes where %zu are left", n,
                       pdu_left - 4);
    pdv.command = (control & 1) != 0;
    pdv.last = (control & 2) != 0;
    *out = pdv;
    *length = n - 2;
    return true;
}

bool net_pdv_next(Span *body, NetPdv *out, Err *err)
{
    if (body->n == 0)
        return false;
    NetPdv pdv;
    uint32_t n;
    if (!net_pdv_header(span_sub(*body, 0, NET_PDV_HEADER), body->n, &pdv, &n, err))
        return false;
    pdv.data = span_sub(*body, NET_PDV_HEADER, n);
    *body = span_sub(*body, NET_PDV_HEADER + n, SIZE_MAX);
    *out = pdv;
    return true;
}
