// SPDX-License-Identifier: MIT
/* For the tests of scp/: an archive in a temporary folder, a server on a free loopback port, and a client made of net/. */
#ifndef GANTRY_TEST_SCP_HOUSE_H
#define GANTRY_TEST_SCP_HOUSE_H

#include "base/base.h"
#include "dicom/dicom.h"
#include "folder.h"
#include "scp/scp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUSE_ALL = SCP_ECHO | SCP_STORE | SCP_FIND | SCP_MOVE | SCP_GET, HOUSE_WAIT_MS = 20000 };

#define HOUSE_FIND  DCM_UID_StudyRootQueryRetrieveInformationModelFind
#define HOUSE_PFIND DCM_UID_PatientRootQueryRetrieveInformationModelFind
#define HOUSE_MOVE  DCM_UID_StudyRootQueryRetrieveInformationModelMove
#define HOUSE_GET   DCM_UID_StudyRootQueryRetrieveInformationModelGet
#define HOUSE_CT    DCM_UID_CTImageStorage
#define HOUSE_ELE   DCM_UID_ExplicitVRLittleEndian
#define HOUSE_ILE   DCM_UID_ImplicitVRLittleEndian

typedef struct House {
    char folder[64];
    Archive *archive;
    ScpSettings settings;
    ScpServer *server;
    Arena *arena;
} House;

static inline void house_path(const House *h, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", h->folder, name);
}

static inline void house_white_list(const House *h, const char *text)
{
    char path[256];
    house_path(h, "white_list/test.yml", path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static inline NetTimeouts house_timeouts(void)
{
    return (NetTimeouts){HOUSE_WAIT_MS, HOUSE_WAIT_MS, HOUSE_WAIT_MS, HOUSE_WAIT_MS};
}

static inline void house_open_archive(House *h)
{
    char data[256], temp[256], quarantine[256], index[256];
    Err err = {0};
    house_path(h, "data", data);
    house_path(h, "tmp", temp);
    house_path(h, "quarantine", quarantine);
    house_path(h, "index.sqlite", index);
    ArcSettings settings = {.data_path = data,
                            .temp_path = temp,
                            .quarantine_path = quarantine,
                            .index_path = index,
                            .duplicates = ARC_REPLACE,
                            .check_class = true};
    h->archive = arc_open(&settings, &err);
    if (!h->archive)
        fail_msg("%s", err.text);
}

/* An archive without a server yet; the settings may be changed before house_start. */
static inline House *house_new(void)
{
    House *h = calloc(1, sizeof *h);
    char path[256];
    Err err = {0};
    snprintf(h->folder, sizeof h->folder, "/tmp/test-scp-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    house_path(h, "white_list", path);
    assert_true(file_make_dirs(path, &err));
    house_white_list(h, "TESTER: {ip: 127.0.0.1}\n");
    house_open_archive(h);
    h->arena = arena_new(0);
    h->settings = (ScpSettings){.ae_title = "HOUSE",
                                .address = "127.0.0.1",
                                .services = HOUSE_ALL,
                                .max_associations = 20,
                                .timeouts = house_timeouts(),
                                .peers_path = arena_strdup(h->arena, path)};
    return h;
}

static inline void house_start(House *h)
{
    Err err = {0};
    h->server = scp_start(&h->settings, h->archive, &err);
    if (!h->server)
        fail_msg("%s", err.text);
}

static inline void house_free(House *h)
{
    scp_stop(h->server, 5000);
    arc_close(h->archive);
    arena_free(h->arena);
    assert_true(folder_remove(h->folder));
    free(h);
}

/* -- the client -- */

typedef struct Ask {
    const char *calling, *called; /* NULL = TESTER, HOUSE */
    const NetProposal *proposals;
    size_t count;
    uint16_t async;
} Ask;

static inline NetAssociation *house_try(const House *h, const Ask *ask, NetReject *reject, Err *err)
{
    NetRequest request = {.host = "127.0.0.1",
                          .port = scp_port(h->server),
                          .calling_ae = ask->calling ? ask->calling : "TESTER",
                          .called_ae = ask->called ? ask->called : "HOUSE",
                          .proposals = ask->proposals,
                          .proposal_count = ask->count,
                          .async_invoked = ask->async,
                          .timeouts = house_timeouts()};
    return net_associate(&request, reject, err);
}

static const char *const house_explicit[] = {HOUSE_ELE};

/* One context per class, explicit little endian. */
static inline NetAssociation *house_call(const House *h, const char *const *classes, size_t n)
{
    NetProposal proposals[16] = {{0}};
    Err err = {0};
    NetReject reject;
    for (size_t i = 0; i < n; i++)
        proposals[i] = (NetProposal){
            .abstract_syntax = classes[i], .transfer_syntaxes = house_explicit, .transfer_syntax_count = 1};
    NetAssociation *net = house_try(h, &(Ask){.proposals = proposals, .count = n}, &reject, &err);
    if (!net)
        fail_msg("%s", err.text);
    return net;
}

static inline NetAssociation *house_call_one(const House *h, const char *class)
{
    return house_call(h, &class, 1);
}

static inline void house_hang_up(NetAssociation *net)
{
    Err err = {0};
    if (!net_release(net, &err))
        fail_msg("%s", err.text);
    net_association_free(net);
}

static inline NetCommand house_receive(NetAssociation *net)
{
    NetCommand command = {0};
    Err err = {0};
    NetGot got = net_receive(net, &command, deadline_in(HOUSE_WAIT_MS), &err);
    if (got != NET_GOT_COMMAND)
        fail_msg("got %d: %s", got, err.text);
    return command;
}

static inline NetCommand house_command(NetAssociation *net, uint16_t field, const char *class)
{
    const NetAccepted *context = net_context_for(net, class, NULL, true);
    assert_non_null(context);
    NetCommand command = {.field = field, .context_id = context->id, .message_id = net_next_message_id(net)};
    snprintf(command.sop_class, sizeof command.sop_class, "%s", class);
    return command;
}

/* Sends and waits for the first response. `ds` in explicit little endian, or NULL. */
static inline NetCommand house_ask(NetAssociation *net, NetCommand *command, const DcmDataset *ds)
{
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    if (ds && !dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err))
        fail_msg("%s", err.text);
    Span span = buf_span(&bytes);
    if (!net_send(net, command, ds ? &span : NULL, &err))
        fail_msg("%s", err.text);
    buf_free(&bytes);
    NetCommand response = house_receive(net);
    assert_int_equal(response.field, command->field | 0x8000);
    assert_int_equal(response.responded_to, command->message_id);
    return response;
}

/* The data set of a message, in explicit little endian. */
static inline DcmDataset *house_data(Arena *arena, NetAssociation *net)
{
    Buf bytes;
    Err err = {0};
    buf_init(&bytes, 0);
    if (!net_data_all(net, 1 << 20, &bytes, &err))
        fail_msg("%s", err.text);
    Span copy = arena_span(arena, buf_span(&bytes));
    buf_free(&bytes);
    DcmDataset *ds = dcm_dataset_parse(arena, copy, dcm_transfer_syntax(SPAN(HOUSE_ELE)), NULL, &err);
    if (!ds)
        fail_msg("%s", err.text);
    return ds;
}

static inline const char *house_text(Arena *arena, const DcmDataset *ds, DcmTag tag)
{
    const char *text = dcm_text_all(arena, ds, tag);
    return text ? text : "(absent)";
}

/* -- objects -- */

typedef struct Picture {
    const char *patient_id, *name, *charset; /* charset NULL = ISO_IR 192 */
    const char *study, *series, *instance, *modality, *date, *time;
} Picture;

static inline DcmDataset *house_object(Arena *arena, const Picture *p)
{
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put(ds, DCM_SpecificCharacterSet, DCM_VR_CS, span_cstr(p->charset ? p->charset : "ISO_IR 192"));
    dcm_put_utf8(ds, DCM_SOPClassUID, HOUSE_CT);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, p->instance);
    dcm_put_utf8(ds, DCM_StudyDate, p->date ? p->date : "20240102");
    dcm_put_utf8(ds, DCM_StudyTime, p->time ? p->time : "101112");
    dcm_put_utf8(ds, DCM_AccessionNumber, "A1");
    dcm_put_utf8(ds, DCM_Modality, p->modality ? p->modality : "CT");
    dcm_put_utf8(ds, DCM_PatientName, p->name);
    dcm_put_utf8(ds, DCM_PatientID, p->patient_id);
    dcm_put_utf8(ds, DCM_StudyInstanceUID, p->study);
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, p->series);
    dcm_put_utf8(ds, DCM_InstanceNumber, "1");
    return ds;
}

/* Straight into the archive. */
static inline void house_ingest(House *h, const Picture *p)
{
    Buf bytes;
    Err err = {0};
    ArcStored stored;
    Arena *arena = arena_new(0);
    buf_init(&bytes, 0);
    assert_true(dcm_write(&bytes, house_object(arena, p), dcm_transfer_syntax(SPAN(HOUSE_ELE)), &err));
    ArcIncoming incoming = {.transfer_syntax = HOUSE_ELE, .source_ae = "TESTER"};
    ArcIngest *ingest = arc_ingest_begin(h->archive, &incoming, &err);
    if (!ingest || !arc_ingest_write(ingest, buf_span(&bytes), &err) ||
        !arc_ingest_commit(ingest, &stored, &err))
        fail_msg("%s", err.text);
    buf_free(&bytes);
    arena_free(arena);
}

static inline uint64_t house_instances(const House *h)
{
    IdxTotals totals = {0};
    Err err = {0};
    assert_true(idx_totals(arc_index(h->archive), &totals, &err));
    return totals.instances;
}

#endif
