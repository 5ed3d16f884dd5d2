// SPDX-License-Identifier: MIT
/* tls.c: associations over TLS with certificates made here: trusted, untrusted, for another host, with and without a client's own. */
#include "net/tls.h"
#include "net/tls_inside.h"
#include "peers.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static char folder[] = "/tmp/gantry-tls-XXXXXX";
static char ca_pem[64], server_pem[64], server_key[64], client_pem[64], client_key[64], other_pem[64],
    other_key[64], old_pem[64], old_key[64], early_pem[64], early_key[64];

/* -- a small authority -- */

typedef struct Made {
    X509 *certificate;
    EVP_PKEY *key;
} Made;

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static long from_s = -60, to_s = 3600; /* of the next certificate, from now */

static Made make(const char *name, const char *alternative, const Made *issuer)
{
    static long serial = 1;
    Made m = {X509_new(), EVP_EC_gen("P-256")};
    X509_set_version(m.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(m.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(m.certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(m.certificate), to_s);
    X509_set_pubkey(m.certificate, m.key);
    X509_NAME *subject = X509_get_subject_name(m.certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509 *by = issuer ? issuer->certificate : m.certificate;
    X509_set_issuer_name(m.certificate, X509_get_subject_name(by));
    if (!issuer)
        add_extension(m.certificate, by, NID_basic_constraints, "critical,CA:TRUE");
    if (alternative)
        add_extension(m.certificate, by, NID_subject_alt_name, alternative);
    assert_true(X509_sign(m.certificate, issuer ? issuer->key : m.key, EVP_sha256()) > 0);
    return m;
}

static void save(const Made *m, const char *name, char *pem, char *key)
{
    snprintf(pem, 64, "%s/%s.pem", folder, name);
    FILE *f = fopen(pem, "w");
    assert_non_null(f);
    PEM_write_X509(f, m->certificate);
    fclose(f);
    if (!key)
        return;
    snprintf(key, 64, "%s/%s.key", folder, name);
    f = fopen(key, "w");
    assert_non_null(f);
    PEM_write_PrivateKey(f, m->key, NULL, NULL, 0, NULL, NULL);
    fchmod(fileno(f), 0600);
    fclose(f);
}

static void drop(Made *m)
{
    X509_free(m->certificate);
    EVP_PKEY_free(m->key);
}

static int make_certificates(void **unused)
{
    assert_non_null(mkdtemp(folder));
    Made ca = make("Test Authority", NULL, NULL);
    Made server = make("server", "IP:127.0.0.1", &ca);
    Made client = make("client", NULL, &ca);
    Made other = make("elsewhere", "DNS:elsewhere.example", &ca);
    from_s = -3 * 86400;
    to_s = -86400;
    Made old = make("old", "IP:127.0.0.1", &ca);
    from_s = 86400;
    to_s = 2 * 86400;
    Made early = make("early", "IP:127.0.0.1", &ca);
    save(&old, "old", old_pem, old_key);
    save(&early, "early", early_pem, early_key);
    drop(&old);
    drop(&early);
    save(&ca, "ca", ca_pem, NULL);
    save(&server, "server", server_pem, server_key);
    save(&client, "client", client_pem, client_key);
    save(&other, "other", other_pem, other_key);
    drop(&ca);
    drop(&server);
    drop(&client);
    drop(&other);
    return 0;
}

static int remove_certificates(void **unused)
{
    const char *const files[] = {ca_pem,    server_pem, server_key, client_pem, client_key, other_pem,
                                 other_key, old_pem,    old_key,    early_pem,  early_key};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    return rmdir(folder);
}

static NetTls *configure(NetTlsSettings settings)
{
    Err err = {0};
    NetTls *tls = net_tls_new(&settings, &err);
    if (!tls)
        fail_msg("%s", err.text);
    return tls;
}

/* -- associations -- */

static void listen_as(Service *s, NetTlsSettings server, Err *err)
{
    *s = (Service){.listening = true, .fd = net_listen("127.0.0.1", 0, err), .tls = configure(server)};
    service_start(s);
}

static NetAssociation *associate(Service *s, NetTlsSettings server, NetTlsSettings client, Err *err)
{
    listen_as(s, server, err);
    NetRequest request = simple_request();
    request.port = net_listen_port(s->fd);
    request.tls = configure(client);
    NetAssociation *a = net_associate(&request, NULL, err);
    net_tls_free(request.tls); /* streams keep what they need */
    return a;
}

static void finish(Service *s)
{
    service_join(s);
    net_tls_free(s->tls);
    close(s->fd);
}

typedef struct Zeros {
    size_t left;
} Zeros;

static ssize_t some_bytes(void *ctx, uint8_t *p, size_t n, Err *err)
{
    Zeros *z = ctx;
    n = n < z->left ? n : z->left;
    memset(p, 7, n);
    z->left -= n;
    return (ssize_t)n;
}

static void trusted_both_ways(void **unused)
{
    for (int mutual = 0; mutual < 2; mutual++) {
        Service s;
        Err err = {0};
        NetTlsSettings server = {.server = true,
                                 .certificate = server_pem,
                                 .key = server_key,
                                 .ca = mutual ? ca_pem : NULL,
                                 .verify_peer = mutual};
        NetTlsSettings client = {.ca = ca_pem,
                                 .verify_peer = true,
                                 .certificate = mutual ? client_pem : NULL,
                                 .key = mutual ? client_key : NULL};
        NetAssociation *a = associate(&s, server, client, &err);
        if (!a)
            fail_msg("%s", err.text);
        NetCommand c;
        assert_int_equal(net_receive(a, &c, deadline_in(20), &err), NET_GOT_NOTHING);
        bool ended;
        assert_false(net_cancelled(a, 1, &ended));
        for (int i = 0; i < 10; i++)
            expect_echo(a);
        Zeros zeros = {20 << 20};
        NetCommand rq = store_request(a);
        assert_true(net_send_stream(a, &rq, some_bytes, &zeros, &err));
        expect_response(a, NET_C_STORE_RSP, rq.message_id);
        release_and_free(a);
        finish(&s);
        assert_int_equal(s.bytes, 20 << 20);
        assert_int_equal(s.end, NET_GOT_RELEASE);
    }
}

static void trust_refused(void **unused)
{
    Service s;
    Err err = {0};
    /* The right authority, another host's certificate. */
    NetTlsSettings server = {.server = true, .certificate = other_pem, .key = other_key};
    NetTlsSettings client = {.ca = ca_pem, .verify_peer = true};
    assert_null(associate(&s, server, client, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "is for elsewhere, elsewhere.example; call it by that name"));
    finish(&s);
    assert_false(s.associated);
    /* Any host's will do. */
    client.any_name = true;
    NetAssociation *a = associate(&s, server, client, &err);
    assert_non_null(a);
    release_and_free(a);
    finish(&s);
    /* An authority that is not trusted (the certificate itself is no authority). */
    client = (NetTlsSettings){.ca = client_pem, .verify_peer = true};
    assert_null(associate(&s, server, client, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.text, "was issued by Test Authority, which is not trusted here"));
    finish(&s);
    assert_non_null(strstr(s.err.text, "does not trust our certificate"));
    /* Not checked at all. */
    client = (NetTlsSettings){.verify_peer = false};
    a = associate(&s, server, client, &err);
    assert_non_null(a);
    release_and_free(a);
    finish(&s);
}

static void days_of_certificates(void **unused)
{
    const struct {
        const char *pem, *key, *says;
    } cases[] = {{old_pem, old_key, "the certificate of 127.0.0.1 expired on 20"},
                 {early_pem, early_key, "the certificate of 127.0.0.1 is not valid before 20"}};
    for (size_t i = 0; i < 2; i++) {
        Service s;
        Err err = {0};
        assert_null(
            associate(&s, (NetTlsSettings){.server = true, .certificate = cases[i].pem, .key = cases[i].key},
                      (NetTlsSettings){.ca = ca_pem, .verify_peer = true}, &err));
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s", err.text);
        finish(&s);
    }
}

static void a_client_without_certificate(void **unused)
{
    for (int optional = 0; optional < 2; optional++) {
        Service s;
        Err err = {0};
        NetTlsSettings server = {.server = true,
                                 .certificate = server_pem,
                                 .key = server_key,
                                 .ca = ca_pem,
                                 .verify_peer = true,
                                 .optional = optional};
        NetTlsSettings client = {.ca = ca_pem, .verify_peer = true};
        NetAssociation *a = associate(&s, server, client, &err);
        assert_int_equal(a != NULL, optional);
        if (a) {
            release_and_free(a);
        } else {
            assert_int_equal(err.code, ERR_REFUSED);
            if (!strstr(err.text, "wants a client certificate; give one"))
                fail_msg("%s", err.text);
        }
        finish(&s);
        assert_int_equal(s.associated, optional);
        if (!optional)
            assert_non_null(strstr(s.err.text, "the peer showed no certificate"));
    }
}

static void a_client_with_a_bad_certificate(void **unused)
{
    for (int optional = 0; optional < 2; optional++) {
        Service s;
        Err err = {0};
        NetTlsSettings server = {.server = true,
                                 .certificate = server_pem,
                                 .key = server_key,
                                 .ca = ca_pem,
                                 .verify_peer = true,
                                 .optional = optional};
        NetTlsSettings client = {.ca = ca_pem, .verify_peer = true, .certificate = old_pem, .key = old_key};
        assert_null(associate(&s, server, client, &err));
        assert_non_null(strstr(err.text, "says that our certificate has expired"));
        finish(&s);
        assert_non_null(strstr(s.err.text, "the certificate of the peer expired on 20"));
    }
}

/* -- turns -- */

static void take_all_turns(void)
{
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++)
        assert_true(tls_turn_begin(1, deadline_in(5000)));
}

static void give_all_turns(void)
{
    for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++)
        tls_turn_end();
}

/* A client that trusts nobody, and has said its first word; nobody may answer it meanwhile. */
static SSL *distrustful(int listener)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    ERR_clear_error(); /* of what failed before */
    assert_int_equal(SSL_get_error(ssl, SSL_connect(ssl)), SSL_ERROR_WANT_READ);
    return ssl;
}

static void leave(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void handshakes_wait_for_their_turn(void **unused)
{
    Err err = {0};
    NetTls *tls = configure((NetTlsSettings){.server = true, .certificate = server_pem, .key = server_key});
    int listener = net_listen("127.0.0.1", 0, &err);
    take_all_turns();
    SSL *client = distrustful(listener);
    assert_null(net_stream_accept(accept(listener, NULL, NULL), tls, deadline_in(500), &err));
    give_all_turns();
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "too many others"));
    leave(client);
    close(listener);
    net_tls_free(tls);
}

/* A peer that goes says why, and has gone before it is the server's turn to read it. */
static void last_words_are_heard(void **unused)
{
    Err err = {0};
    Service s;
    listen_as(&s, (NetTlsSettings){.server = true, .certificate = server_pem, .key = server_key}, &err);
    take_all_turns();
    SSL *client = distrustful(s.fd);
    give_all_turns();
    struct pollfd answer = {.fd = SSL_get_fd(client), .events = POLLIN};
    assert_int_equal(poll(&answer, 1, 5000), 1);
    take_all_turns();
    assert_int_equal(SSL_get_error(client, SSL_connect(client)), SSL_ERROR_SSL);
    leave(client);
    give_all_turns();
    finish(&s);
    assert_non_null(strstr(s.err.text, "does not trust our certificate"));
}

/* -- who it is -- */

static char shown[200];

static void talk_of_certificate(Service *s, NetAssociation *a)
{
    const NetCertificate *c = net_association_certificate(a);
    snprintf(shown, sizeof shown, "%d %s", net_association_is_tls(a), c ? net_certificate_names(c) : "none");
    service_answer_all(s, a);
}

static void the_client_is_known(void **unused)
{
    for (int checks = 0; checks < 2; checks++) {
        Err err = {0};
        Service s = {.listening = true,
                     .fd = net_listen("127.0.0.1", 0, &err),
                     .talk = talk_of_certificate,
                     .tls = configure((NetTlsSettings){.server = true,
                                                       .certificate = server_pem,
                                                       .key = server_key,
                                                       .ca = ca_pem,
                                                       .verify_peer = checks})};
        service_start(&s);
        NetRequest request = simple_request();
        request.port = net_listen_port(s.fd);
        request.tls = configure((NetTlsSettings){
            .ca = ca_pem, .verify_peer = true, .certificate = client_pem, .key = client_key});
        NetAssociation *a = net_associate(&request, NULL, &err);
        assert_non_null(a);
        assert_string_equal(net_certificate_names(net_association_certificate(a)), "server, 127.0.0.1");
        release_and_free(a);
        net_tls_free(request.tls);
        finish(&s);
        assert_string_equal(shown, checks ? "1 client" : "1 none");
    }
}

static void rules_of_certificates(void **unused)
{
    Arena *arena = arena_new(0);
    const struct {
        const char *rule;
        bool good;
    } cases[] = {{"elsewhere", true},   {"ELSEWHERE.example", true}, {"server", false}, {"else", false},
                 {"elsewhere*", false}, {"sha256:00", false},        {"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Service s;
        Err err = {0};
        NetTls *any = configure((NetTlsSettings){.ca = ca_pem, .verify_peer = true});
        const char *rule = net_certificate_rule(arena, cases[i].rule);
        if (i >= 5) {
            assert_null(rule);
            net_tls_free(any);
            continue;
        }
        s = (Service){
            .listening = true,
            .fd = net_listen("127.0.0.1", 0, &err),
            .tls = configure((NetTlsSettings){.server = true, .certificate = other_pem, .key = other_key})};
        service_start(&s);
        NetRequest request = simple_request();
        request.port = net_listen_port(s.fd);
        request.tls = net_tls_for(any, arena_printf(arena, "nobody\n%s", rule));
        net_tls_free(any);
        NetAssociation *a = net_associate(&request, NULL, &err);
        assert_int_equal(a != NULL, cases[i].good);
        if (a) {
            /* By its digest, in capitals and with colons, as openssl prints it. */
            const char *hex = net_certificate_sha256(net_association_certificate(a));
            char typed[200] = "SHA256:";
            for (size_t k = 0; k < 64; k++)
                snprintf(typed + strlen(typed), 3, "%s%c", k && k % 2 == 0 ? ":" : "",
                         hex[k] >= 'a' ? hex[k] - 'a' + 'A' : hex[k]);
            assert_true(
                net_certificate_meets(net_association_certificate(a), net_certificate_rule(arena, typed)));
            typed[9] = typed[9] == '0' ? '1' : '0';
            assert_false(
                net_certificate_meets(net_association_certificate(a), net_certificate_rule(arena, typed)));
            release_and_free(a);
        } else {
            assert_non_null(strstr(err.text, "is for elsewhere, elsewhere.example (sha256:"));
        }
        net_tls_free(request.tls);
        finish(&s);
    }
    arena_free(arena);
}

/* -- files that change -- */

static int told_good, told_bad;
static char told[400];

static void keep_told(void *ctx, bool bad, const char *line)
{
    *(bad ? &told_bad : &told_good) += 1;
    snprintf(told, sizeof told, "%s", line);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_true(in && out);
    size_t n = fread(bytes, 1, sizeof bytes, in);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    fchmod(fileno(out), 0600);
    fclose(in);
    fclose(out);
}

static void who_answers(NetTlsFiles *files, const char *expected)
{
    Err err = {0};
    Service s = {.listening = true, .fd = net_listen("127.0.0.1", 0, &err), .tls = net_tls_files_now(files)};
    service_start(&s);
    NetRequest request = simple_request();
    request.port = net_listen_port(s.fd);
    request.tls = configure((NetTlsSettings){.ca = ca_pem, .verify_peer = true, .any_name = true});
    NetAssociation *a = net_associate(&request, NULL, &err);
    assert_non_null(a);
    assert_string_equal(net_certificate_names(net_association_certificate(a)), expected);
    release_and_free(a);
    net_tls_free(request.tls);
    finish(&s);
}

static void certificates_are_read_again(void **unused)
{
    char pem[80], key[80];
    Err err = {0};
    snprintf(pem, sizeof pem, "%s/live.pem", folder);
    snprintf(key, sizeof key, "%s/live.key", folder);
    copy_file(server_pem, pem);
    copy_file(server_key, key);
    NetTlsSettings settings = {.server = true, .certificate = pem, .key = key};
    NetTlsFiles *files = net_tls_files_open(&settings, keep_told, NULL, &err);
    assert_non_null(files);
    assert_int_equal(told_bad, 1); /* it ends within the hour */
    assert_non_null(strstr(told, "live.pem expires on"));
    who_answers(files, "server, 127.0.0.1");
    assert_int_equal(told_good, 0);
    /* The certificate first: its key is not there yet. */
    copy_file(other_pem, pem);
    who_answers(files, "server, 127.0.0.1");
    assert_int_equal(told_bad, 2);
    assert_non_null(strstr(told, "the certificates are those of before: TLS: key"));
    copy_file(other_key, key);
    who_answers(files, "elsewhere, elsewhere.example");
    assert_int_equal(told_good, 1);
    unlink(pem);
    who_answers(files, "elsewhere, elsewhere.example");
    who_answers(files, "elsewhere, elsewhere.example");
    assert_int_equal(told_good, 1);
    unlink(key);
    net_tls_files_close(files);
    assert_null(net_tls_files_open(&settings, NULL, NULL, &err));
    net_tls_files_close(NULL);
}

static void plain_against_tls(void **unused)
{
    Err err = {0};
    Service s;
    listen_as(&s, (NetTlsSettings){.server = true, .certificate = server_pem, .key = server_key}, &err);
    NetRequest request = simple_request();
    request.port = net_listen_port(s.fd);
    assert_null(net_associate(&request, NULL, &err));
    finish(&s);
    assert_false(s.associated);
    assert_non_null(strstr(s.err.text, "TLS with 127.0.0.1"));
    /* And the other way round: the server answers with something that is not TLS. */
    s = (Service){.listening = true, .fd = net_listen("127.0.0.1", 0, &err)};
    service_start(&s);
    request.port = net_listen_port(s.fd);
    request.tls = configure((NetTlsSettings){.verify_peer = false});
    err = (Err){0};
    assert_null(net_associate(&request, NULL, &err));
    assert_non_null(strstr(err.text, "TLS with"));
    net_tls_free(request.tls);
    service_join(&s);
    close(s.fd);
}

static void a_handshake_that_hangs(void **unused)
{
    Err err = {0};
    int fd = net_listen("127.0.0.1", 0, &err);
    NetTls *tls = configure((NetTlsSettings){.verify_peer = false});
    int64_t start = clock_ms();
    assert_null(net_stream_connect("127.0.0.1", net_listen_port(fd), tls, deadline_in(100), &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(clock_ms() - start, 90, 3000);
    net_tls_free(tls);
    close(fd);
}

static void old_versions_are_refused(void **unused)
{
    Err err = {0};
    Service s;
    listen_as(&s, (NetTlsSettings){.server = true, .certificate = server_pem, .key = server_key}, &err);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    NetStream *plain = net_stream_connect("127.0.0.1", net_listen_port(s.fd), NULL, deadline_in(1000), &err);
    assert_non_null(plain);
    /* A client hello of TLS 1.1: made in memory, sent by hand. */
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    char *hello;
    long n = BIO_get_mem_data(out, &hello);
    struct iovec part = {hello, (size_t)n};
    assert_true(net_stream_writev(plain, &part, 1, deadline_in(1000), &err));
    finish(&s);
    assert_false(s.associated);
    assert_non_null(strstr(s.err.text, "unsupported protocol"));
    net_stream_close(plain);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void settings_that_are_wrong(void **unused)
{
    char open_key[80], closed_key[80];
    snprintf(open_key, sizeof open_key, "%s/open.key", folder);
    snprintf(closed_key, sizeof closed_key, "%s/closed.key", folder);
    copy_file(client_key, open_key);
    chmod(open_key, 0644);
    EVP_PKEY *made = EVP_EC_gen("P-256");
    FILE *f = fopen(closed_key, "w");
    PEM_write_PrivateKey(f, made, EVP_aes_128_cbc(), (const unsigned char *)"word", 4, NULL, NULL);
    fchmod(fileno(f), 0600);
    fclose(f);
    EVP_PKEY_free(made);
    const struct {
        NetTlsSettings settings;
        const char *says;
    } cases[] = {
        {{.server = true}, "needs a certificate"},
        {{.server = true, .certificate = server_pem}, "key"},
        {{.key = server_key}, "no certificate"},
        {{.certificate = client_pem, .key = open_key}, "chmod 600"},
        {{.certificate = client_pem, .key = closed_key}, "is encrypted"},
        {{.server = true, .certificate = "/no/such.pem", .key = server_key}, "/no/such.pem"},
        {{.server = true, .certificate = server_pem, .key = client_key}, "key"},
        {{.server = true, .certificate = server_pem, .key = server_key, .verify_peer = true}, "authorities"},
        {{.ca = "/no/such.pem"}, "/no/such.pem"},
        {{.ca = server_key}, "authorities"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err err = {0};
        assert_null(net_tls_new(&cases[i].settings, &err));
        assert_int_equal(err.code, ERR_USAGE);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu: expected \"%s\" in \"%s\"", i, cases[i].says, err.text);
    }
    net_tls_free(NULL);
    unlink(open_key);
    unlink(closed_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusted_both_ways),
        cmocka_unit_test(trust_refused),
        cmocka_unit_test(days_of_certificates),
        cmocka_unit_test(a_client_without_certificate),
        cmocka_unit_test(a_client_with_a_bad_certificate),
        cmocka_unit_test(handshakes_wait_for_their_turn),
        cmocka_unit_test(last_words_are_heard),
        cmocka_unit_test(the_client_is_known),
        cmocka_unit_test(rules_of_certificates),
        cmocka_unit_test(certificates_are_read_again),
        cmocka_unit_test(plain_against_tls),
        cmocka_unit_test(a_handshake_that_hangs),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(settings_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
