// SPDX-License-Identifier: MIT
/* The skeleton: A-ASSOCIATE-RQ, a few DIMSE messages with data sets, a release. What is asked for is small and the UIDs are few, so that the archive stays small. */
#include "conversation.h"

#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"
#include "net/dimse.h"
#include "net/pdu.h"

#include <stdio.h>
#include <string.h>

static const char *const classes[] = {
    DCM_UID_Verification,
    DCM_UID_CTImageStorage,
    DCM_UID_SecondaryCaptureImageStorage,
    DCM_UID_StudyRootQueryRetrieveInformationModelFind,
    DCM_UID_PatientRootQueryRetrieveInformationModelFind,
    DCM_UID_StudyRootQueryRetrieveInformationModelMove,
    DCM_UID_StudyRootQueryRetrieveInformationModelGet,
    DCM_UID_ModalityWorklistInformationModelFind,
    "1.2.826.0.1.3680043.10.1499.99.1",
};
static const char *const syntaxes[] = {DCM_UID_ImplicitVRLittleEndian, DCM_UID_ExplicitVRLittleEndian,
                                       DCM_UID_ExplicitVRBigEndian,    DCM_UID_DeflatedExplicitVRLittleEndian,
                                       DCM_UID_JPEGBaseline8Bit,       "1.2.3"};
static const char *const titles[] = {"GANTRY", "RAW", "OTHER", "NOBODY", "", "A\\B", "SIXTEENCHARACTER"};
enum { CLASSES = sizeof classes / sizeof *classes, SYNTAXES = sizeof syntaxes / sizeof *syntaxes };
enum { TITLES = sizeof titles / sizeof *titles, UIDS = 24, OPERATIONS = 5 };

uint64_t dice_roll(Dice *dice)
{
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

unsigned dice_below(Dice *dice, unsigned n)
{
    return (unsigned)(dice_roll(dice) % n);
}

bool dice_once_in(Dice *dice, unsigned n)
{
    return dice_below(dice, n) == 0;
}

void conversation_say(Conversation *talk, Span pdu)
{
    if (talk->count == CONVERSATION_MAX_PDUS || talk->bytes + pdu.n > CONVERSATION_BYTES)
        return;
    talk->pdus[talk->count++] = arena_span(talk->arena, pdu);
    talk->bytes += pdu.n;
}

static void say_buf(Conversation *talk, Buf *pdu)
{
    conversation_say(talk, buf_span(pdu));
    buf_free(pdu);
}

/* -- the association -- */

static void make_contexts(Conversation *talk, NetAssociate *request)
{
    Dice *dice = &talk->dice;
    size_t n = dice_once_in(dice, 50) ? NET_MAX_CONTEXTS : CLASSES;
    request->contexts = arena_alloc(talk->arena, n * sizeof *request->contexts);
    request->context_count = n;
    for (size_t i = 0; i < n; i++) {
        NetContext *c = &request->contexts[i];
        c->id = (uint8_t)(2 * i + 1);
        c->abstract_syntax = span_cstr(classes[i % CLASSES]);
        c->transfer_syntax_count = 1 + dice_below(dice, 3);
        c->transfer_syntaxes = arena_alloc(talk->arena, c->transfer_syntax_count * sizeof(Span));
        for (size_t k = 0; k < c->transfer_syntax_count; k++)
            c->transfer_syntaxes[k] =
                span_cstr(syntaxes[dice_once_in(dice, 4) ? dice_below(dice, SYNTAXES) : k]);
    }
}

static void make_extras(Conversation *talk, NetAssociate *request)
{
    static uint8_t noise[64];
    Dice *dice = &talk->dice;
    if (dice_once_in(dice, 2)) {
        request->has_async = true;
        request->async_invoked = request->async_performed = (uint16_t)dice_below(dice, 20);
    }
    if (dice_once_in(dice, 2)) {
        request->role_count = 3;
        request->roles = arena_alloc(talk->arena, 3 * sizeof *request->roles);
        for (unsigned i = 0; i < 3; i++)
            request->roles[i] =
                (NetRole){span_cstr(classes[i]), dice_once_in(dice, 2), dice_once_in(dice, 2)};
    }
    if (dice_once_in(dice, 3)) {
        request->extended_count = 1;
        request->extended = arena_alloc(talk->arena, sizeof *request->extended);
        *request->extended =
            (NetExtended){span_cstr(classes[3]), span_of(noise, dice_below(dice, sizeof noise))};
    }
    if (dice_once_in(dice, 8)) {
        Span related[] = {SPAN("1.2.840.10008.5.1.4.1.1.2"), SPAN("1.2")};
        request->common_count = 1;
        request->common = arena_alloc(talk->arena, sizeof *request->common);
        *request->common = (NetCommonExtended){span_cstr(classes[1]), SPAN("1.2.840.10008.4.2"),
                                               arena_alloc(talk->arena, sizeof related), 2};
        memcpy(request->common->related, related, sizeof related);
    }
    if (dice_once_in(dice, 4)) {
        request->has_identity = true;
        request->identity =
            (NetIdentity){(uint8_t)dice_below(dice, 7), dice_once_in(dice, 2), SPAN("somebody"),
                          dice_once_in(dice, 2) ? SPAN("a passcode") : SPAN("")};
    }
}

static void ask_association(Conversation *talk)
{
    static const uint32_t sizes[] = {0, 1, 100, 4096, 16384, 65536, UINT32_MAX};
    Dice *dice = &talk->dice;
    NetAssociate request = {
        .protocol_version = 1,
        .called_ae = span_cstr(titles[dice_once_in(dice, 10) ? dice_below(dice, TITLES) : 0]),
        .calling_ae = span_cstr(titles[dice_once_in(dice, 10) ? dice_below(dice, TITLES) : 1]),
        .application_context = SPAN("1.2.840.10008.3.1.1.1"),
        .max_pdu = sizes[dice_once_in(dice, 3) ? dice_below(dice, 7) : 4],
        .implementation_class = SPAN("1.2.826.0.1.3680043.10.1499.99"),
        .implementation_version = SPAN("TORTURE")};
    make_contexts(talk, &request);
    make_extras(talk, &request);
    Buf pdu;
    buf_init(&pdu, 0);
    if (net_associate_encode(&pdu, NET_A_ASSOCIATE_RQ, &request, NULL))
        conversation_say(talk, buf_span(&pdu));
    buf_free(&pdu);
}

/* -- messages -- */

static size_t fragment_size(Dice *dice, size_t n)
{
    static const size_t sizes[] = {16378, 16378, 4000, 500, 64, 7, 1};
    size_t size = sizes[dice_below(dice, 7)];
    return n / size < 200 ? size : 16378;
}

/* One part of a message in PDUs of one PDV or of several; now and then a fragment lies about what it is. */
static void say_part(Conversation *talk, uint8_t context, bool command, Span part)
{
    Dice *dice = &talk->dice;
    size_t size = fragment_size(dice, part.n);
    bool together = dice_once_in(dice, 4), liar = dice_once_in(dice, 30);
    Buf pdu;
    buf_init(&pdu, 0);
    do {
        Span piece = span_sub(part, 0, size);
        part = span_sub(part, piece.n, SIZE_MAX);
        bool last = part.n == 0;
        uint8_t control = (uint8_t)((command ? 1 : 0) | (last ? 2 : 0));
        if (liar && dice_once_in(dice, 5))
            control ^= (uint8_t)(1 + dice_below(dice, 255));
        if (liar && dice_once_in(dice, 5))
            context = (uint8_t)dice_roll(dice);
        buf_u32be(&pdu, (uint32_t)piece.n + 2);
        buf_u8(&pdu, context);
        buf_u8(&pdu, control);
        buf_append_span(&pdu, piece);
        if (!last && together && pdu.n < 8192)
            continue;
        Buf whole;
        buf_init(&whole, 0);
        buf_u16be(&whole, NET_P_DATA_TF << 8);
        buf_u32be(&whole, (uint32_t)pdu.n);
        buf_append_span(&whole, buf_span(&pdu));
        say_buf(talk, &whole);
        buf_clear(&pdu);
    } while (part.n);
    buf_free(&pdu);
}

/* A command set with one element wrong: its value, its length, or the whole of it. */
static void spoil_command(Dice *dice, Buf *set)
{
    size_t at = dice_below(dice, (unsigned)set->n);
    switch (dice_below(dice, 5)) {
    case 0: /* another command field, as the first two bytes of its value */
        for (size_t i = 0; i + 10 <= set->n; i++)
            if (!memcmp(set->p + i, "\0\0\0\1\2\0\0\0", 8)) {
                set->p[i + 8] = (uint8_t)dice_roll(dice);
                set->p[i + 9] = dice_once_in(dice, 2) ? 0x80 : 0;
            }
        return;
    case 1:
        set->n = at;
        return;
    case 2:
        set->p[at] = (uint8_t)dice_roll(dice);
        return;
    case 3: /* an element that says it is huge */
        buf_append(set, "\0\0\x00\x99\xF0\xFF\xFF\xFF", 8);
        return;
    default:
        for (unsigned i = dice_below(dice, 3000); i; i--)
            buf_append(set, "\0\0\x00\x56\2\0\0\0ab", 10);
    }
}

static void say_command(Conversation *talk, const NetCommand *command)
{
    Buf set;
    buf_init(&set, 0);
    if (net_command_encode(&set, command, NULL)) {
        if (dice_once_in(&talk->dice, 12))
            spoil_command(&talk->dice, &set);
        say_part(talk, command->context_id, true, buf_span(&set));
    }
    buf_free(&set);
}

/* -- data sets -- */

static void put(DcmDataset *ds, DcmTag tag, const char *text)
{
    dcm_put(ds, tag, DCM_VR_NONE, span_cstr(text));
}

static const char *some_uid(Conversation *talk, const char *kind)
{
    return arena_printf(talk->arena, "1.2.826.0.1.3680043.10.1499.99.%s.%u", kind,
                        dice_below(&talk->dice, UIDS));
}

static void say_data_set(Conversation *talk, const NetCommand *command, const DcmDataset *ds)
{
    Dice *dice = &talk->dice;
    Buf bytes;
    buf_init(&bytes, CONVERSATION_BYTES);
    dcm_write(&bytes, ds,
              dcm_transfer_syntax(span_cstr(syntaxes[dice_once_in(dice, 10) ? dice_below(dice, 4) : 0])),
              NULL);
    for (unsigned i = dice_once_in(dice, 4) ? 1 + dice_below(dice, 6) : 0; i && bytes.n; i--)
        bytes.p[dice_below(dice, (unsigned)bytes.n)] = (uint8_t)dice_roll(dice);
    if (dice_once_in(dice, 20))
        bytes.n = dice_below(dice, (unsigned)bytes.n + 1);
    say_part(talk, command->context_id, false, buf_span(&bytes));
    buf_free(&bytes);
}

static void store(Conversation *talk, NetCommand *command)
{
    Dice *dice = &talk->dice;
    DcmDataset *ds = dcm_dataset_new(talk->arena);
    const char *instance = some_uid(talk, "3");
    snprintf(command->sop_instance, sizeof command->sop_instance, "%s",
             dice_once_in(dice, 20) ? some_uid(talk, "4") : instance);
    put(ds, DCM_SOPClassUID, dice_once_in(dice, 20) ? classes[0] : command->sop_class);
    put(ds, DCM_SOPInstanceUID, instance);
    put(ds, DCM_StudyInstanceUID, some_uid(talk, "1"));
    put(ds, DCM_SeriesInstanceUID, some_uid(talk, "2"));
    put(ds, DCM_PatientID, dice_once_in(dice, 4) ? "../../x" : "TORTURE");
    put(ds, DCM_PatientName, dice_once_in(dice, 4) ? "\x1b$B" : "Torture^Case");
    put(ds, DCM_Modality, "OT");
    DcmDataset *in = ds;
    for (unsigned depth = dice_once_in(dice, 8) ? dice_below(dice, 60) : dice_below(dice, 2); depth;
         depth--) {
        dcm_put_sequence(in, DCM_ReferencedSeriesSequence);
        in = dcm_add_item(in, DCM_ReferencedSeriesSequence);
        put(in, DCM_SeriesInstanceUID, some_uid(talk, "2"));
    }
    size_t n = dice_below(dice, dice_once_in(dice, 20) ? 100000 : 600) & ~1u;
    dcm_put(ds, DCM_PixelData, DCM_VR_OW, span_of(arena_alloc(talk->arena, n + 1), n));
    say_command(talk, command);
    say_data_set(talk, command, ds);
}

static void ask(Conversation *talk, NetCommand *command)
{
    static const char *const levels[] = {"PATIENT", "STUDY", "SERIES", "IMAGE", "", "NONSENSE"};
    Dice *dice = &talk->dice;
    DcmDataset *ds = dcm_dataset_new(talk->arena);
    put(ds, DCM_QueryRetrieveLevel, levels[dice_below(dice, 6)]);
    put(ds, DCM_PatientName, dice_once_in(dice, 2) ? "*" : "T?RT*^");
    put(ds, DCM_PatientID, dice_once_in(dice, 3) ? "TORTURE" : "");
    put(ds, DCM_StudyDate, dice_once_in(dice, 3) ? "20200101-" : "-");
    put(ds, DCM_StudyInstanceUID, dice_once_in(dice, 2) ? some_uid(talk, "1") : "");
    if (dice_once_in(dice, 2))
        put(ds, DCM_SeriesInstanceUID, some_uid(talk, "2"));
    if (dice_once_in(dice, 2))
        put(ds, DCM_SOPInstanceUID, some_uid(talk, "3"));
    static const char *const places[] = {"NOWHERE", "NOBODY", "GANTRY", ""};
    snprintf(command->move_destination, sizeof command->move_destination, "%s", places[dice_below(dice, 4)]);
    say_command(talk, command);
    say_data_set(talk, command, ds);
    if (dice_once_in(dice, 4)) {
        NetCommand cancel = {.field = NET_C_CANCEL_RQ,
                             .context_id = command->context_id,
                             .responded_to = (uint16_t)(command->message_id + dice_below(dice, 2))};
        say_command(talk, &cancel);
    }
}

static void say_message(Conversation *talk, uint16_t id)
{
    static const uint16_t odd[] = {NET_C_CANCEL_RQ, NET_N_GET_RQ,    NET_N_ACTION_RQ,       NET_C_STORE_RSP,
                                   NET_C_ECHO_RSP,  NET_N_CREATE_RQ, NET_N_EVENT_REPORT_RQ, 0x1234};
    static const uint16_t fields[CLASSES] = {NET_C_ECHO_RQ, NET_C_STORE_RQ, NET_C_STORE_RQ,
                                             NET_C_FIND_RQ, NET_C_FIND_RQ,  NET_C_MOVE_RQ,
                                             NET_C_GET_RQ,  NET_C_FIND_RQ,  NET_C_STORE_RQ};
    Dice *dice = &talk->dice;
    unsigned kind = dice_below(dice, CLASSES);
    NetCommand command = {.field = fields[kind],
                          .context_id = (uint8_t)(2 * kind + 1),
                          .message_id = dice_once_in(dice, 10) ? 1 : id,
                          .has_data_set = kind != 0};
    snprintf(command.sop_class, sizeof command.sop_class, "%s",
             classes[dice_once_in(dice, 15) ? dice_below(dice, CLASSES) : kind]);
    if (dice_once_in(dice, 15))
        command.context_id = (uint8_t)dice_roll(dice);
    if (dice_once_in(dice, 20))
        command.field = odd[dice_below(dice, 8)];
    if (dice_once_in(dice, 25))
        command.has_data_set = !command.has_data_set;
    if (kind == 0)
        say_command(talk, &command);
    else if (fields[kind] == NET_C_STORE_RQ)
        store(talk, &command);
    else
        ask(talk, &command);
}

void conversation_make(Conversation *talk, Arena *arena, uint64_t seed)
{
    static const size_t pieces[] = {0, 0, 0, 0, 1, 6, 100, 1000};
    *talk = (Conversation){.arena = arena, .dice = {seed}};
    Dice *dice = &talk->dice;
    talk->listens = !dice_once_in(dice, 4);
    talk->piece = pieces[dice_below(dice, 8)];
    talk->farewell = dice_once_in(dice, 3) ? (Farewell)dice_below(dice, LEAVE_FAREWELLS) : LEAVE_HALF_CLOSED;
    ask_association(talk);
    uint16_t messages = (uint16_t)dice_below(dice, OPERATIONS);
    for (uint16_t id = 1; id <= messages; id++)
        say_message(talk, id);
    if (!dice_once_in(dice, 5)) {
        Buf pdu;
        buf_init(&pdu, 0);
        if (dice_once_in(dice, 6))
            net_abort_encode(&pdu, (NetAbort){(uint8_t)dice_below(dice, 4), (uint8_t)dice_below(dice, 8)});
        else
            net_release_encode(&pdu, NET_A_RELEASE_RQ);
        say_buf(talk, &pdu);
    }
    /* A peer that writes byte by byte does not say much. */
    if (talk->piece && talk->bytes / talk->piece > 2000)
        talk->piece = 1000;
}
