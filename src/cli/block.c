// SPDX-License-Identifier: MIT
#include "cli/block.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "dicom/status.h"
#include "dicom/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 25, LEVEL_FINAL = 1, LEVEL_ALL = 2 };

const char *block_status_text(uint16_t status, const char *action)
{
    switch (status) {
    case 0x0000:
        return "Association Completed";
    case 0xFF00:
        return "Association Pending";
    case 0xA801:
        return "Association aborted";
    case 0xC211:
        return "C-STORE SCP implementation error";
    case 0xD000:
        return "Association rejected or aborted";
    default:
        break;
    }
    const char *service = !strcmp(action, "CSTORE") || !strcmp(action, "STOW") ? "Storage"
                          : !strcmp(action, "CECHO")                           ? "Verification"
                                                                               : "Query/Retrieve";
    return dcm_status_text(status, service);
}

void block_execution_time(int64_t ms, char out[48])
{
    int64_t s = ms / 1000;
    snprintf(out, 48, "Execution time : %02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60,
             s % 60);
}

static void repeat(Buf *out, char c, size_t n)
{
    uint8_t *p = buf_reserve(out, n);
    if (p) {
        memset(p, c, n);
        out->n += n;
    }
}

/* `width` is that of the header line with both its newlines. */
static void ruler(Buf *out, size_t width)
{
    buf_append_cstr(out, "# ");
    repeat(out, '-', width - 2);
    buf_append_cstr(out, "\n");
}

/* Peers' texts and UIDs: nothing that a terminal would obey. */
static void text(Buf *out, const char *value)
{
    size_t from = out->n;
    buf_append_cstr(out, value ? value : "");
    if (buf_cstr(out) && out->n > from)
        log_make_printable((char *)out->p + from);
}

static void row(Buf *out, const char *name, const char *value)
{
    buf_append_cstr(out, name);
    text(out, value);
    buf_append_cstr(out, "\n");
}

static void section(Buf *out, size_t width, const char *title)
{
    buf_printf(out, "# %s\n", title);
    ruler(out, width);
}

static void log_section(Buf *out, size_t width, const Block *block)
{
    section(out, width, "LOG");
    row(out, "# last_log\t: ", block->last_log);
}

static void context_section(Buf *out, size_t width, const Block *block)
{
    section(out, width, "CONTEXT");
    buf_printf(out, "# context ID\t\t: %u\n", block->context_id);
    row(out, "# abstract Syntax\t: ", block->abstract_syntax);
    row(out, "# Transfer Syntax\t: ", block->transfer_syntax);
    ruler(out, width);
}

static void data_set_section(Buf *out, size_t width, const DcmDataset *ds)
{
    ruler(out, width);
    section(out, width, "DATASET DICOM");
    for (size_t i = 0; i < ds->count; i++) {
        buf_append_cstr(out, "# ");
        dcm_element_describe(ds, &ds->elements[i], out);
        buf_append_cstr(out, "\n");
    }
}

static void every_step_sections(Buf *out, size_t width, const Block *block)
{
    char when[32];
    clock_format(block->began_us, false, when);
    buf_printf(out, "# dt_exec\t\t: %s\n", when);
    row(out, "# associate_ae\t\t: ", block->peer_ae);
    buf_printf(out, "# AE\t\t\t: %-16s\n", block->own_ae ? block->own_ae : "");
    buf_printf(out, "# success\t\t: %s\n", block->success ? "True" : "False");
    ruler(out, width);
    if (block->context_id)
        context_section(out, width, block);
    log_section(out, width, block);
    if (block->data_set)
        data_set_section(out, width, block->data_set);
}

/* In servers, of each operation: mostly without printf. */
void block_format(const Block *block, int verbosity, Buf *out)
{
    if (verbosity < LEVEL_FINAL || (verbosity == LEVEL_FINAL && !block->committed))
        return;
    char when[32], simultaneous[NUMBER_TEXT];
    size_t begun = out->n;

    buf_append_cstr(out, "\n");
    repeat(out, '#', SIDE);
    buf_append_cstr(out, " CURRENT ");
    buf_append_cstr(out, block->service);
    buf_append_cstr(out, " ");
    buf_append_cstr(out, block->action);
    buf_append_cstr(out, " ASSOC ");
    repeat(out, '#', SIDE);
    buf_append_cstr(out, "\n");
    size_t width = out->n - begun;
    clock_format(block->now_us, false, when);
    buf_append_cstr(out, "# Server Association metadata\n");
    row(out, "# update date \t\t: ", when);
    number_u64(block->simultaneous, simultaneous);
    if (!strcmp(block->service, "SCP"))
        row(out, "# simultaneous assoc : ", simultaneous);
    ruler(out, width);
    ruler(out, width);
    row(out, "# action\t\t: ", block->action);
    row(out, "# service\t\t: ", block->service);
    if (block->has_status)
        buf_printf(out, "# final_status\t\t: 0x%04x : %s \n", block->status,
                   block_status_text(block->status, block->action));
    if (block->study) {
        row(out, "# Study UID\t\t: ", block->study);
        row(out, "# Series UID\t\t: ", block->series);
        row(out, "# Instance UID\t\t: ", block->instance);
    }
    if (verbosity >= LEVEL_ALL) {
        every_step_sections(out, width, block);
    } else if (!strcmp(block->action, "CFIND")) {
        ruler(out, width);
        log_section(out, width, block);
    }
    repeat(out, '#', width);
    buf_append_cstr(out, "\n");
}
