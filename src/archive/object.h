// SPDX-License-Identifier: MIT
/*
 * The one place where the file of an object is opened for reading. What hands out objects comes through here, so that a file that is not the one the index knows is
 * an error and never a shorter object.
 */
#ifndef GANTRY_ARCHIVE_OBJECT_H
#define GANTRY_ARCHIVE_OBJECT_H

#include "archive/archive.h"

/* A descriptor of the caller's. -1 and err when the file is gone (ERR_NOT_FOUND), is no regular file or has another size (ERR_IO); the object is in the
   index, so that over HTTP all of this is 500. */
int arc_object_open(const IdxFile *file, Err *err);
/* Has the disk begin to read the object, as far as that makes sense. False: it is in memory already, or cannot be had. Does not wait. */
bool arc_object_read_ahead(const IdxFile *file);

#endif
