// SPDX-License-Identifier: MIT
/* The transfer syntax of pixel data that comes as parts. */
#include "base/file.h"
#include "dicom/uids.h"
#include "web/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Heads of streams as far as they are looked at: SOI, frame header, scan header. */
#define SOF(marker, bits) "\xFF\xD8\xFF" marker "\0\x0B" bits "\0\x04\0\x04\x01\x01\x11\0"
#define SOS(predictor)    "\xFF\xDA\0\x08\x01\x01\0" predictor "\0\0"
#define BYTES(text)       text, sizeof(text) - 1

#define BASELINE BYTES(SOF("\xC0", "\x08") SOS("\0"))
#define EXTENDED BYTES(SOF("\xC1", "\x0C") SOS("\0"))
#define LOSSLESS BYTES(SOF("\xC3", "\x10") SOS("\x06"))
#define FIRST    BYTES(SOF("\xC3", "\x10") SOS("\x01"))
#define J2K      BYTES("\xFF\x4F\xFF\x51")
#define RLE      BYTES("\x01\0\0\0\x40\0\0\0")
#define NATIVE   BYTES("\x01\x02\x03\x04")

#define OCTETS "application/octet-stream"

static void test_choices(void **state)
{
    static const struct {
        const char *type, *syntax, *said, *start;
        size_t n;
        const char *uid; /* NULL: refused with `status` */
        uint16_t status;
    } rows[] = {
        {OCTETS, "", "", NATIVE, DCM_UID_ExplicitVRLittleEndian},
        {"", "", "", NATIVE, DCM_UID_ExplicitVRLittleEndian},
        {OCTETS, DCM_UID_ImplicitVRLittleEndian, "", NATIVE, DCM_UID_ExplicitVRLittleEndian},
        {OCTETS, "", DCM_UID_ExplicitVRBigEndian, NATIVE, DCM_UID_ExplicitVRLittleEndian},
        {OCTETS, DCM_UID_ExplicitVRBigEndian, "", NATIVE, NULL, 0xC122},
        {OCTETS, DCM_UID_DeflatedExplicitVRLittleEndian, "", NATIVE, NULL, 0xC122},
        {OCTETS, "1.2.3", "", NATIVE, NULL, 0xC122},
        {OCTETS, "", "1.2.3", NATIVE, NULL, 0xC122},
        {"image/jpeg", "", "", BASELINE, DCM_UID_JPEGBaseline8Bit},
        {"image/jpeg", "", "", EXTENDED, DCM_UID_JPEGExtended12Bit},
        {"image/jpeg", "", "", LOSSLESS, DCM_UID_JPEGLossless},
        {"image/jpeg", "", "", FIRST, DCM_UID_JPEGLosslessSV1},
        {"image/jpeg", "", "", BYTES("\xFF\xD8"), DCM_UID_JPEGLosslessSV1},
        {"image/jpeg", "", DCM_UID_JPEGExtended12Bit, BASELINE, DCM_UID_JPEGExtended12Bit},
        {"image/jpeg", "", DCM_UID_JPEG2000, BASELINE, DCM_UID_JPEGBaseline8Bit},
        {"image/jpeg", DCM_UID_JPEGExtended12Bit, DCM_UID_JPEGBaseline8Bit, BASELINE,
         DCM_UID_JPEGExtended12Bit},
        {"image/jpeg", "", "", NATIVE, NULL, 0xC000},
        {"image/jpeg", DCM_UID_ExplicitVRLittleEndian, "", BASELINE, NULL, 0xC122},
        {"image/jls", "", "", BASELINE, DCM_UID_JPEGLSLossless},
        {"image/jp2", "", "", J2K, DCM_UID_JPEG2000Lossless},
        {"image/jp2", "", DCM_UID_JPEG2000, J2K, DCM_UID_JPEG2000},
        {"image/jp2", "", "", BYTES("\0\0\0\x0CjP  "), NULL, 0xC000},
        {"image/jphc", "", "", J2K, DCM_UID_HTJ2KLossless},
        {"image/dicom-rle", "", "", RLE, DCM_UID_RLELossless},
        {"image/x-dicom-rle", "", "", NATIVE, NULL, 0xC000},
        {"video/mp4", "", "", NATIVE, DCM_UID_MPEG4HP41},
        {"image/png", "", "", NATIVE, NULL, 0xC122},
        {OCTETS, "", DCM_UID_RLELossless, RLE, DCM_UID_RLELossless},
        {OCTETS, "", DCM_UID_RLELossless, BYTES("\0\0\0\0"), DCM_UID_ExplicitVRLittleEndian},
        {OCTETS, DCM_UID_RLELossless, "", BYTES("\0\0\0\0"), NULL, 0xC000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Err err = {0};
        StowPart part = {.location = "", .type = rows[i].type, .offset = 3, .length = rows[i].n};
        StowParts parts = {&part, 1, memfd_create("parts", MFD_CLOEXEC)};
        snprintf(part.syntax, sizeof part.syntax, "%s", rows[i].syntax);
        memcpy(part.start, rows[i].start, rows[i].n < sizeof part.start ? rows[i].n : sizeof part.start);
        assert_true(file_write_all(parts.fd, "...", 3, &err) &&
                    file_write_all(parts.fd, rows[i].start, rows[i].n, &err));
        const DcmTransferSyntax *syntax = stow_choose_syntax(&parts, &part, rows[i].said, &err);
        close(parts.fd);
        if (syntax && (!rows[i].uid || strcmp(syntax->uid, rows[i].uid) != 0))
            fail_msg("row %zu: %s", i, syntax->uid);
        if (!syntax && (rows[i].uid || err.dimse != rows[i].status))
            fail_msg("row %zu: %04X %s", i, err.dimse, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
