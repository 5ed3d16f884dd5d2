// SPDX-License-Identifier: MIT
/*
 * Extended attributes: what the user wants indexed besides the base table (IdxExtended, index.h), checked and put into a table of
 * attributes. An attribute that the base table has without a column gets one; one that has a column there keeps it.
 */
#ifndef GANTRY_INDEX_EXTENDED_H
#define GANTRY_INDEX_EXTENDED_H

#include "index/attributes.h"
#include "index/index.h"

/* The table of an index, in the arena. The definitions are checked, each against those before it. */
const IdxAttributes *idx_attributes_make(Arena *arena, const IdxExtended *list, size_t count, Err *err);

/* "GGGGEEEE" of the sequences and of the attribute itself, joined by ','. */
const char *idx_chain_text(Arena *arena, const DcmTag *parents, size_t parent_count, DcmTag tag);

#endif
