// SPDX-License-Identifier: MIT
#include "cli/block.h"

#include "base/clock.h"
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

static void section(Buf *out, size_t width, const char *title)
{
    buf_printf(out, "# %s\n", title);
    ruler(out, width);
}

static void log_section(Buf *out, size_t width, const Block *block)
{
    section(out, width, "LOG");
    buf_printf(out, "# last_log\t: %s\n", block->last_log ? block->last_log : "");
}

static void context_section(Buf *out, size_t width, const Block *block)
{
    section(out, width, "CONTEXT");
    buf_printf(out, "# context ID\t\t: %u\n", block->context_id);
    buf_printf(out, "# abstract Syntax\t: %s\n", block->abstract_syntax ? block->abstract_syntax : "");
    buf_printf(out, "# Transfer Syntax\t: %s\n", block->transfer_syntax ? block->transfer_syntax : "");
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
    buf_printf(out, "# associate_ae\t\t: %s\n", block->peer_ae ? block->peer_ae : "");
    buf_printf(out, "# AE\t\t\t: %-16s\n", block->own_ae ? block->own_ae : "");
    buf_printf(out, "# success\t\t: %s\n", block->success ? "True" : "False");
    ruler(out, width);
    if (block->context_id)
        context_section(out, width, block);
    log_section(out, width, block);
    if (block->data_set)
        data_set_section(out, width, block->data_set);
}

void block_format(const Block *block, int verbosity, Buf *out)
{
    if (verbosity < LEVEL_FINAL || (verbosity == LEVEL_FINAL && !block->committed))
        return;
    char title[64], when[32];
    int titled = snprintf(title, sizeof title, " CURRENT %s %s ASSOC ", block->service, block->action);
    size_t width = (size_t)titled + 2 * SIDE + 2;

    buf_append_cstr(out, "\n");
    repeat(out, '#', SIDE);
    buf_append_cstr(out, title);
    repeat(out, '#', SIDE);
    clock_format(block->now_us, false, when);
    buf_printf(out, "\n# Server Association metadata\n# update date \t\t: %s\n", when);
    if (!strcmp(block->service, "SCP"))
        buf_printf(out, "# simultaneous assoc : %u\n", block->simultaneous);
    ruler(out, width);
    ruler(out, width);
    buf_printf(out, "# action\t\t: %s\n# service\t\t: %s\n", block->action, block->service);
    if (block->has_status)
        buf_printf(out, "# final_status\t\t: 0x%04x : %s \n", block->status,
                   block_status_text(block->status, block->action));
    if (block->study)
        buf_printf(out, "# Study UID\t\t: %s\n# Series UID\t\t: %s\n# Instance UID\t\t: %s\n", block->study,
                   block->series ? block->series : "", block->instance ? block->instance : "");
    if (verbosity >= LEVEL_ALL) {
        every_step_sections(out, width, block);
    } else if (!strcmp(block->action, "CFIND")) {
        ruler(out, width);
        log_section(out, width, block);
    }
    repeat(out, '#', width);
    buf_append_cstr(out, "\n");
}
