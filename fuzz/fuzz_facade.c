// SPDX-License-Identifier: MIT
/*
 * The whole HTTP server, alive, on loopback, over an archive with one object. The first byte: whether it asks who one is; the rest: what a client says on one connection. Whatever that is, the
 * server ends the connection when the client has, says nothing that is no HTTP, and is not to blame (500).
 */
#include "fuzz.h"

#include "auth/users.h"
#include "base/file.h"
#include "base/log.h"
#include "dicom/tags.h"
#include "dicom/uids.h"
#include "dicom/write.h"
#include "web/auth.h"
#include "web/web.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANEW_EVERY = 2000, SERVERS = 2, WAIT_MS = 15000, GRACE_MS = 2000 };

/* The token of the seeds, and what users.yml says of it. */
static const char token[] = "gantry_0123456789012345678901234567890123456789012";

static struct {
    Archive *archive;
    Auth *auth;
    WebAuth *web_auth;
    WebServer *servers[SERVERS];
    unsigned inputs;
    char data[128], temp[128], quarantine[128], index[128], trash[128], annotations[128], users[128];
} all;

static void must(bool ok, const Err *err)
{
    if (!ok) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static void put_object(void)
{
    static uint8_t pixels[64];
    Err err = {0};
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    ArcIncoming incoming = {.transfer_syntax = DCM_UID_ExplicitVRLittleEndian};
    ArcStored stored;
    Buf bytes;
    buf_init(&bytes, 0);
    dcm_put_utf8(ds, DCM_SOPClassUID, DCM_UID_SecondaryCaptureImageStorage);
    dcm_put_utf8(ds, DCM_SOPInstanceUID, "1.2.3.4.5");
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2.3");
    dcm_put_utf8(ds, DCM_SeriesInstanceUID, "1.2.3.4");
    dcm_put_utf8(ds, DCM_PatientID, "P");
    dcm_put_utf8(ds, DCM_PatientName, "Some^Body");
    dcm_put_utf8(ds, DCM_Modality, "OT");
    dcm_put_utf8(ds, DCM_PhotometricInterpretation, "MONOCHROME2");
    dcm_put_u16(ds, DCM_SamplesPerPixel, 1);
    dcm_put_u16(ds, DCM_Rows, 8);
    dcm_put_u16(ds, DCM_Columns, 8);
    dcm_put_u16(ds, DCM_BitsAllocated, 8);
    dcm_put_u16(ds, DCM_BitsStored, 8);
    dcm_put_u16(ds, DCM_HighBit, 7);
    dcm_put_u16(ds, DCM_PixelRepresentation, 0);
    dcm_put(ds, DCM_PixelData, DCM_VR_OB, span_of(pixels, sizeof pixels));
    must(dcm_write(&bytes, ds, dcm_transfer_syntax(SPAN(DCM_UID_ExplicitVRLittleEndian)), &err), &err);
    ArcIngest *ingest = arc_ingest_begin(all.archive, &incoming, &err);
    must(ingest && arc_ingest_write(ingest, buf_span(&bytes), &err), &err);
    must(arc_ingest_commit(ingest, &stored, &err), &err);
    buf_free(&bytes);
    arena_free(arena);
}

static void open_archive(void)
{
    static const char *const names[] = {"data",  "temp",        "quarantine", "index.sqlite",
                                        "trash", "annotations", "users.yml"};
    char *places[] = {all.data, all.temp, all.quarantine, all.index, all.trash, all.annotations, all.users};
    static unsigned generation;
    Err err = {0};
    generation++;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        snprintf(places[i], sizeof all.data, "%s/web%u/%s", fuzz_folder(), generation, names[i]);
    char base[96];
    snprintf(base, sizeof base, "%s/web%u", fuzz_folder(), generation);
    must(file_make_dirs(base, &err), &err);
    ArcSettings settings = {.data_path = all.data,
                            .temp_path = all.temp,
                            .quarantine_path = all.quarantine,
                            .index_path = all.index,
                            .duplicates = ARC_REPLACE,
                            .check_class = true};
    all.archive = arc_open(&settings, &err);
    must(all.archive, &err);
    put_object();
}

static void make_user(void)
{
    Err err = {0};
    UserToken one = {.label = "seed"};
    users_token_digest(span_cstr(token), one.sha256);
    User user = {.name = "joe", .role = USER_ADMIN, .tokens = &one, .token_count = 1};
    must(users_write(all.users, &(Users){.items = &user, .count = 1}, &err), &err);
}

static void start(void)
{
    static const AuthSettings asks = {.users_path = all.users,
                                      .jwt = {.secret = "a secret of this target, known to nobody",
                                              .issuer = "joe",
                                              .audience = "pacs",
                                              .role_claim = "roles",
                                              .user_claim = "sub"}};
    static WebAnnotationSettings annotations = {.folder = all.annotations, .max_size = 100000};
    static WebSettings settings[SERVERS];
    static const LogPlan silence;
    Err err = {0};
    must(log_start(&silence, &err), &err);
    open_archive();
    make_user();
    all.auth = auth_new(&asks, &err);
    must(all.auth, &err);
    all.web_auth = web_auth_new(all.auth, true, NULL, &err);
    must(all.web_auth, &err);
    for (int i = 0; i < SERVERS; i++) {
        settings[i] = (WebSettings){.http = {.gzip = true, .max_body = 1 << 20},
                                    .dicomweb = true,
                                    .dicomweb_root = "/dicom-web",
                                    .decompress_pixels = true,
                                    .allow_delete = true,
                                    .trash_path = all.trash,
                                    .retrieve_ae = "FUZZ",
                                    .annotations = &annotations};
        if (i == 1) {
            settings[i].http.authorize = web_authorize;
            settings[i].http.authorize_ctx = all.web_auth;
        }
        all.servers[i] = web_start(&settings[i], all.archive, &err);
        must(all.servers[i], &err);
    }
}

static void stop(void)
{
    for (int i = 0; i < SERVERS; i++)
        web_stop(all.servers[i], GRACE_MS);
    web_auth_free(all.web_auth);
    auth_free(all.auth);
    arc_close(all.archive);
    all.archive = NULL;
    log_close();
    fuzz_folder_empty();
}

/* -- one connection -- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        abort();
    return fd;
}

static bool listen_to(int fd, Buf *heard)
{
    uint8_t bytes[8192];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n > 0 && heard->n < 64)
        buf_append(heard, bytes, (size_t)n);
    return n > 0;
}

static void converse(int fd, Span said, Buf *heard)
{
    bool open = true;
    while (open) {
        struct pollfd wait = {.fd = fd, .events = (short)(said.n ? POLLIN | POLLOUT : POLLIN)};
        if (poll(&wait, 1, WAIT_MS) == 0) {
            fprintf(stderr, "the server does not end the connection\n");
            return fuzz_broken();
        }
        if (wait.revents & POLLOUT) {
            ssize_t n = send(fd, said.p, said.n, MSG_NOSIGNAL | MSG_DONTWAIT);
            said = n < 0 ? (Span){0} : span_sub(said, (size_t)n, SIZE_MAX);
            if (!said.n)
                shutdown(fd, SHUT_WR);
        }
        if (wait.revents & (POLLIN | POLLHUP | POLLERR))
            open = listen_to(fd, heard);
    }
}

int fuzz_facade(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (all.archive && ++all.inputs % ANEW_EVERY == 0)
        stop();
    if (!all.archive) {
        static bool registered;
        fuzz_undisturbed(start);
        if (!registered)
            registered = atexit(stop) == 0;
    }
    Buf heard;
    buf_init(&heard, 0);
    int fd = connect_to(web_port(all.servers[data[0] & 1]));
    if (size > 1)
        converse(fd, span_of(data + 1, size - 1), &heard);
    struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    if (heard.n && (!span_starts(buf_span(&heard), SPAN("HTTP/1.")) ||
                    span_eq(span_sub(buf_span(&heard), 9, 3), SPAN("500")))) {
        fprintf(stderr, "%s\n", buf_cstr(&heard));
        fuzz_broken();
    }
    buf_free(&heard);
    return 0;
}
