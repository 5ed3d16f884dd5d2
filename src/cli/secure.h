// SPDX-License-Identifier: MIT
/* TLS and user identity (PS3.7 D.3.3.7) of the commands that call a peer: options, and what they make of it. */
#ifndef GANTRY_CLI_SECURE_H
#define GANTRY_CLI_SECURE_H

#include "cli/cli.h"

typedef struct SecureArgs {
    bool tls;
    const char *ca, *crl, *cert, *key, *cert_of;
    const char *user, *password, *jwt;
} SecureArgs;

/* Rows of an option table for a SecureArgs that is member `member` of `Args`; `key_name` is what the option of the key is called. */
#define SECURE_OPTIONS(Args, member, key_name)                                                               \
    {OPT_FLAG, .name = "tls", .help = "over TLS", .at = offsetof(Args, member.tls)},                         \
        {OPT_TEXT, .name = "ca", .value = "FILE",                                                            \
         .help = "PEM of the authorities that the peer's certificate is trusted by",                         \
         .at = offsetof(Args, member.ca)},                                                                   \
        {OPT_TEXT, .name = "crl", .value = "FILE", .help = "PEM of these authorities' revocation lists",     \
         .at = offsetof(Args, member.crl)},                                                                  \
        {OPT_TEXT, .name = "cert", .value = "FILE",                                                          \
         .help = "PEM of our certificate, for peers that want one", .at = offsetof(Args, member.cert)},      \
        {OPT_TEXT, .name = (key_name), .value = "FILE", .help = "PEM of its key, if not in the same file",   \
         .at = offsetof(Args, member.key)},                                                                  \
        {OPT_TEXT, .name = "cert-of", .value = "NAME",                                                       \
         .help = "whose certificate the peer must have, if not its host's: a name, or sha256:DIGITS; any: "  \
                 "it is not checked",                                                                        \
         .at = offsetof(Args, member.cert_of)},                                                              \
        {OPT_TEXT, .name = "user", .value = "NAME", .help = "tell the peer who uses it (user identity)",     \
         .at = offsetof(Args, member.user)},                                                                 \
        {OPT_TEXT, .name = "user-password", .value = "FILE",                                                 \
         .help = "with --user: file whose first line is the password; - asks",                               \
         .at = offsetof(Args, member.password)},                                                             \
    {                                                                                                        \
        OPT_TEXT, .name = "user-jwt", .value = "FILE",                                                       \
                  .help = "user identity by a JSON Web Token, in the first line of this file",               \
                  .at = offsetof(Args, member.jwt)                                                           \
    }

/* Puts into the peer what was given; for `manage`, what is not given and the settings have. False and err when it cannot be used. */
bool cli_secure(Cli *cli, const SecureArgs *args, ScuPeer *peer, Err *err);
/* At the end of the command: frees, and wipes what was secret. */
void cli_secure_end(Cli *cli);

#endif
