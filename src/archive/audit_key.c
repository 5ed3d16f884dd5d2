// SPDX-License-Identifier: MIT
#include "archive/audit_key.h"

#include "base/file.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY = 32, SHOWN = 16 };

struct AuditKey {
    uint8_t bytes[KEY];
};

static bool read_key(const char *path, AuditKey *key, Err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, errno, "cannot open %s", path);
    bool ok = fstat(fd, &st) == 0 && st.st_size == KEY;
    if (!ok)
        err_set(err, ERR_FORMAT, "%s is no key of an audit trail: it has not 32 bytes", path);
    else if (st.st_mode & 077)
        ok = err_set(err, ERR_REFUSED, "others may read %s; take that away (chmod 600)", path);
    ok = ok && file_read_at(fd, 0, key->bytes, KEY, err);
    close(fd);
    return ok;
}

/* Under another name first: whoever opens it meanwhile finds it whole, and the first one that makes it wins. */
static bool make_key(const char *folder, const char *path, Err *err)
{
    uint8_t bytes[KEY];
    char temporary[64];
    struct stat st;
    snprintf(temporary, sizeof temporary, ".audit.key-%ld", (long)getpid());
    char *other = file_join(folder, temporary);
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && RAND_bytes(bytes, KEY) == 1 && file_write_all(fd, bytes, KEY, err) && fsync(fd) == 0;
    if (ok && geteuid() == 0 && stat(folder, &st) == 0)
        ok = fchown(fd, st.st_uid, st.st_gid) == 0;
    ok = ok && (link(other, path) == 0 || errno == EEXIST);
    if (!ok)
        err_errno(err, errno, "cannot make %s", path);
    if (fd >= 0) {
        close(fd);
        unlink(other);
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    free(other);
    return ok;
}

AuditKey *audit_key_open(const char *folder, bool make, Err *err)
{
    AuditKey *key = calloc(1, sizeof *key);
    char *path = file_join(folder, "audit.key");
    if (!key || !path)
        abort();
    bool ok = (!make || access(path, F_OK) == 0 || make_key(folder, path, err)) && read_key(path, key, err);
    free(path);
    if (ok)
        return key;
    audit_key_free(key);
    return NULL;
}

void audit_key_free(AuditKey *key)
{
    if (key)
        OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

const char *audit_key_hash(const AuditKey *key, Arena *arena, const char *text)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * SHOWN + 1];
    unsigned n = sizeof digest;
    if (!HMAC(EVP_sha256(), key->bytes, KEY, (const uint8_t *)text, strlen(text), digest, &n))
        return "hmac:?";
    return arena_printf(arena, "hmac:%s", span_hex(span_of(digest, SHOWN), hex));
}
