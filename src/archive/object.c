// SPDX-License-Identifier: MIT
#include "archive/object.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int arc_object_open(const IdxFile *file, Err *err)
{
    struct stat st;
    Err why = {0};
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        err_errno(&why, errno, "object %s: cannot open the file", file->sop_instance);
    else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->size)
        err_set(&why, ERR_IO,
                "object %s: the file is not what the index says: %llu bytes instead of %llu; index the data "
                "again",
                file->sop_instance, (unsigned long long)st.st_size, (unsigned long long)file->size);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    why.http = 500;
    if (err)
        *err = why;
    return -1;
}

bool arc_object_read_ahead(const IdxFile *file)
{
    enum { MOST = 16 << 20 };
    off_t much = file->size < MOST ? (off_t)file->size : MOST;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    char byte;
    struct iovec one = {&byte, 1};
    /* Not the first bytes, which are looked at for themselves, nor the last, which are written through the cache when the others go past it. */
    bool cold = much > 0 && preadv2(fd, &one, 1, much / 2, RWF_NOWAIT) < 0 && errno == EAGAIN;
    if (cold)
        posix_fadvise(fd, 0, much, POSIX_FADV_WILLNEED);
    close(fd);
    return cold;
}
