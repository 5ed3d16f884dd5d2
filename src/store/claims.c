// SPDX-License-Identifier: MIT
/*
 * Claims: who changes what there is of an object has it to himself, from the moment before its file gets its name until its row says so; in this process and in others. A claim is a lock on one byte of
 * a file in the folder for temporary files (fcntl(2), open file description locks), at the key that the object's UID or name hashes to: two objects that hash alike only wait for each other. It ends with the
 * process that has it, however that ends. The file stays empty.
 */
#include "store/store_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOK_MS = 2 };

struct StoreClaims {
    int fd;
};

StoreClaims *store_claims_open(Store *store, Err *err)
{
    StoreClaims *claims = malloc(sizeof *claims);
    if (!claims)
        abort();
    claims->fd = openat(store->session.base, "claims", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (claims->fd >= 0)
        return claims;
    err_errno(err, errno, "cannot open the claims in the folder for temporary files");
    free(claims);
    return NULL;
}

void store_claims_close(StoreClaims *claims)
{
    if (!claims)
        return;
    close(claims->fd);
    free(claims);
}

static struct flock byte_of(uint64_t key, short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)(key >> 1), .l_len = 1};
}

bool store_claim(StoreClaims *claims, uint64_t key, Deadline deadline, Err *err)
{
    struct flock lock = byte_of(key, F_WRLCK);
    while (fcntl(claims->fd, F_OFD_SETLK, &lock) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_errno(err, errno, "cannot claim an object");
        if (deadline_passed(deadline))
            return err_set(err, ERR_LIMIT, "somebody else is at work on the object; try again later");
        clock_sleep_ms(LOOK_MS);
    }
    return true;
}

void store_unclaim(StoreClaims *claims, uint64_t key)
{
    struct flock lock = byte_of(key, F_UNLCK);
    fcntl(claims->fd, F_OFD_SETLK, &lock);
}
