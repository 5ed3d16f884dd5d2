// SPDX-License-Identifier: MIT
#include "cli/px_pipe.h"

#include <string.h>
#include <unistd.h>

void px_peer_defaults(PxPeerArgs *peer)
{
    const PxPeerArgs defaults = PX_PEER_DEFAULTS(0);
    peer->aet = peer->aet ? peer->aet : defaults.aet;
    peer->aec = peer->aec ? peer->aec : defaults.aec;
    peer->ip = peer->ip ? peer->ip : defaults.ip;
    peer->port = peer->port ? peer->port : defaults.port;
}

const char *px_check_peer(const PxPeerArgs *peer)
{
    size_t calling = strlen(peer->aet), called = strlen(peer->aec);
    if (!calling || calling > 16)
        return "argument --aet: an AE title has 1 to 16 characters";
    if (!called || called > 16)
        return "argument --aec: an AE title has 1 to 16 characters";
    return *peer->ip ? NULL : "argument --serverIP: an address or a host name is required";
}

ScuPeer px_peer(const PxPeerArgs *peer)
{
    enum { CONNECT_MS = 5000, ACSE_MS = 30000 };
    int64_t wait = peer->timeout * 1000;
    return (ScuPeer){.host = peer->ip,
                     .port = (uint16_t)peer->port,
                     .called_ae = peer->aec,
                     .calling_ae = peer->aet,
                     .timeouts = {.connect_ms = wait < CONNECT_MS ? wait : CONNECT_MS,
                                  .acse_ms = wait < ACSE_MS ? wait : ACSE_MS,
                                  .dimse_ms = wait,
                                  .network_ms = wait}};
}

static const struct {
    const char *name;
    size_t at;
} secure_texts[] = {{"ca", offsetof(SecureArgs, ca)},
                    {"cert", offsetof(SecureArgs, cert)},
                    {"crl", offsetof(SecureArgs, crl)},
                    {"key", offsetof(SecureArgs, key)},
                    {"cert-of", offsetof(SecureArgs, cert_of)},
                    {"user", offsetof(SecureArgs, user)},
                    {"user-password", offsetof(SecureArgs, password)},
                    {"user-jwt", offsetof(SecureArgs, jwt)}};
enum { SECURE_TEXTS = sizeof secure_texts / sizeof *secure_texts };

void secure_into(json_t *args, const SecureArgs *secure)
{
    if (secure->tls)
        json_object_set_new(args, "tls", json_true());
    for (size_t i = 0; i < SECURE_TEXTS; i++) {
        const char *text = *(const char *const *)((const char *)secure + secure_texts[i].at);
        if (text)
            json_object_set_new(args, secure_texts[i].name, px_text(text));
    }
}

void secure_from(Arena *arena, const json_t *args, SecureArgs *out)
{
    out->tls = json_is_true(json_object_get(args, "tls"));
    for (size_t i = 0; i < SECURE_TEXTS; i++) {
        const char *text = json_string_value(json_object_get(args, secure_texts[i].name));
        if (text)
            *(const char **)((char *)out + secure_texts[i].at) = arena_strdup(arena, text);
    }
}

bool px_asked(const Cli *cli, const Command *command, const PxAsk *ask, const char *version)
{
    Buf out;
    buf_init(&out, 0);
    if (ask->version)
        buf_printf(&out, "Version: %s\n", version);
    else if (ask->desc)
        options_help(command, cli->program, &out);
    else if (ask->synopsis)
        options_usage(command, cli->program, &out);
    bool asked = out.n > 0;
    cli_put(stdout, &out);
    return asked;
}

bool px_words(const Cli *cli, const Command *command, int argc, char *const *argv, void *args)
{
    Buf problem;
    buf_init(&problem, 0);
    bool help, ok = options_parse(command, argc, argv, cli->arena, args, &help, &problem);
    if (!ok)
        cli_fail(cli, "%s: %s", command->name, buf_cstr(&problem));
    buf_free(&problem);
    return ok;
}

FILE *px_trace(const PxAsk *ask)
{
    enum { SHOWS_REQUESTS = 5 };
    return ask->verbosity >= SHOWS_REQUESTS ? stderr : NULL;
}

int px_fail(const Cli *cli, const Err *err)
{
    cli_fail(cli, "%s", err->text);
    return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

void px_print(const json_t *document, bool compact, const PxAsk *ask)
{
    if (!ask->verbosity)
        return;
    Buf out;
    buf_init(&out, 0);
    px_document_write(document, compact, &out);
    cli_put(stdout, &out);
}

PxScheme px_scheme(const char *colorize)
{
    if (*colorize)
        return !strcmp(colorize, "light") ? PX_LIGHT : PX_DARK;
    return cli_colour(STDOUT_FILENO) ? PX_DARK : PX_PLAIN;
}

bool px_boxes(const char *colorize)
{
    return *colorize || isatty(STDOUT_FILENO);
}
