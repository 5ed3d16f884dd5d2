// SPDX-License-Identifier: MIT
/* The association block: what a step of a DICOM service looks like on the console. Layout is an interface (scripts read it). */
#ifndef GANTRY_CLI_BLOCK_H
#define GANTRY_CLI_BLOCK_H

#include "base/buf.h"
#include "dicom/dataset.h"

typedef struct Block {
    const char *service; /* "SCU", "SCP" */
    const char *action;  /* "CECHO", "CSTORE", "CFIND", "CMOVE", "CGET", "STOW" */
    bool committed;      /* the final step: shown at verbosity 1; others at 2 only */
    unsigned simultaneous;
    bool has_status;
    uint16_t status;
    const char *study, *series, *instance; /* shown when study is set */
    int64_t now_us, began_us;              /* wall clock */
    const char *peer_ae, *own_ae;
    bool success;
    uint8_t context_id; /* 0 = no context known */
    const char *abstract_syntax, *transfer_syntax;
    const char *last_log;
    const DcmDataset *data_set;
} Block;

/* Appends the block if it is to be shown at this verbosity (0, 1, 2). */
void block_format(const Block *block, int verbosity, Buf *out);

/* "Association Completed" and the other texts that are an interface; for any other status what the standard says. */
const char *block_status_text(uint16_t status, const char *action);

/* "Execution time : HH:MM:SS"; hours go on beyond 24. */
void block_execution_time(int64_t ms, char out[48]);

#endif
