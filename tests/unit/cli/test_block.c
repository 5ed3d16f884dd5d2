// SPDX-License-Identifier: MIT
/* cli/block, banner, progress: layouts that scripts read, byte for byte. */
#include "house.h"

#include "cli/banner.h"
#include "cli/block.h"
#include "cli/progress.h"
#include "dicom/tags.h"

#include <time.h>

static int utc(void **state)
{
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

/* 2020-07-30 11:57:04.832535 UTC */
static const int64_t moment = INT64_C(1596110224832535);

static void assert_block(const Block *block, int verbosity, const char *expected)
{
    Buf out;
    buf_init(&out, 0);
    block_format(block, verbosity, &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

#define RULER75 "# ---------------------------------------------------------------------------\n"
#define RULER76 "# ----------------------------------------------------------------------------\n"

static void scu_echo_final(void **state)
{
    Block block = {
        .service = "SCU", .action = "CECHO", .committed = true, .has_status = true, .now_us = moment};
    assert_block(&block, 1,
                 "\n"
                 "######################### CURRENT SCU CECHO ASSOC #########################\n"
                 "# Server Association metadata\n"
                 "# update date \t\t: 2020-07-30 11:57:04.832535\n" RULER75 RULER75 "# action\t\t: CECHO\n"
                 "# service\t\t: SCU\n"
                 "# final_status\t\t: 0x0000 : Association Completed \n"
                 "#############################################################################\n");
    assert_block(&block, 0, "");
    block.committed = false;
    assert_block(&block, 1, "");
}

static void scp_store_with_uids(void **state)
{
    Block block = {.service = "SCP",
                   .action = "CSTORE",
                   .committed = true,
                   .simultaneous = 3,
                   .has_status = true,
                   .status = 0xA801,
                   .study = "1.2",
                   .series = "1.2.3",
                   .instance = "1.2.3.4",
                   .now_us = moment};
    assert_block(&block, 1,
                 "\n"
                 "######################### CURRENT SCP CSTORE ASSOC #########################\n"
                 "# Server Association metadata\n"
                 "# update date \t\t: 2020-07-30 11:57:04.832535\n"
                 "# simultaneous assoc : 3\n" RULER76 RULER76 "# action\t\t: CSTORE\n"
                 "# service\t\t: SCP\n"
                 "# final_status\t\t: 0xa801 : Association aborted \n"
                 "# Study UID\t\t: 1.2\n"
                 "# Series UID\t\t: 1.2.3\n"
                 "# Instance UID\t\t: 1.2.3.4\n"
                 "##############################################################################\n");
}

/* What a peer sends is no command for the terminal, and no other line. */
static void texts_of_peers_are_printable(void **state)
{
    Block block = {.service = "SCU",
                   .action = "CSTORE",
                   .committed = true,
                   .study = "1.2\x1b[31m3",
                   .series = "1.2\n# Study UID",
                   .instance = "1.2\r3",
                   .last_log = "answered: \x1b]0;it\x07",
                   .peer_ae = "A\x1b",
                   .now_us = moment};
    Buf out;
    buf_init(&out, 0);
    block_format(&block, 2, &out);
    const char *shown = buf_cstr(&out);
    assert_null(strpbrk(shown, "\x1b\r\x07"));
    assert_non_null(strstr(shown, "# Study UID\t\t: 1.2?[31m3\n"));
    assert_non_null(strstr(shown, "# Series UID\t\t: 1.2?# Study UID\n"));
    assert_non_null(strstr(shown, "# last_log\t: answered: ?]0;it?\n"));
    buf_free(&out);
}

static void find_has_its_log(void **state)
{
    Block block = {.service = "SCU",
                   .action = "CFIND",
                   .committed = true,
                   .now_us = moment,
                   .last_log = "Equal number of STUDY is 3"};
    assert_block(&block, 1,
                 "\n"
                 "######################### CURRENT SCU CFIND ASSOC #########################\n"
                 "# Server Association metadata\n"
                 "# update date \t\t: 2020-07-30 11:57:04.832535\n" RULER75 RULER75 "# action\t\t: CFIND\n"
                 "# service\t\t: SCU\n" RULER75 "# LOG\n" RULER75 "# last_log\t: Equal number of STUDY is 3\n"
                 "#############################################################################\n");
}

static void every_section(void **state)
{
    Arena *arena = arena_new(0);
    DcmDataset *ds = dcm_dataset_new(arena);
    dcm_put_utf8(ds, DCM_StudyInstanceUID, "1.2");
    Block block = {.service = "SCP",
                   .action = "CFIND",
                   .now_us = moment,
                   .began_us = moment,
                   .peer_ae = "PEER",
                   .own_ae = "ME",
                   .success = true,
                   .context_id = 5,
                   .abstract_syntax = "1.2.840.10008.1.1",
                   .transfer_syntax = "1.2.840.10008.1.2",
                   .last_log = "asked",
                   .data_set = ds};
    Buf out;
    buf_init(&out, 0);
    block_format(&block, 2, &out);
    assert_contains(&out, "# dt_exec\t\t: 2020-07-30 11:57:04.832535\n# associate_ae\t\t: PEER\n"
                          "# AE\t\t\t: ME              \n# success\t\t: True\n" RULER75 "# CONTEXT\n" RULER75
                          "# context ID\t\t: 5\n# abstract Syntax\t: 1.2.840.10008.1.1\n"
                          "# Transfer Syntax\t: 1.2.840.10008.1.2\n" RULER75 "# LOG\n" RULER75
                          "# last_log\t: asked\n" RULER75 "# DATASET DICOM\n" RULER75 "# (0020, 000d) ");
    buf_free(&out);
    arena_free(arena);
}

static void status_texts(void **state)
{
    assert_string_equal(block_status_text(0x0000, "CECHO"), "Association Completed");
    assert_string_equal(block_status_text(0xFF00, "CSTORE"), "Association Pending");
    assert_string_equal(block_status_text(0xC211, "CSTORE"), "C-STORE SCP implementation error");
    assert_string_equal(block_status_text(0xD000, "CSTORE"), "Association rejected or aborted");
    static const uint16_t others[] = {0x0122, 0xA700, 0xA900, 0xB000, 0xC000, 0xFE00, 0x1234};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(strlen(block_status_text(others[i], "CSTORE")) > 3);
}

static void execution_time(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "Execution time : 00:00:00"},
                 {999, "Execution time : 00:00:00"},
                 {61500, "Execution time : 00:01:01"},
                 {INT64_C(90061000), "Execution time : 25:01:01"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[48];
        block_execution_time(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void banner(void **state)
{
    Buf out;
    buf_init(&out, 0);
    Banner b = {.ae_title = "PExport", .port = 11112, .echo = true, .find = true, .saving = true};
    banner_format(&b, &out);
    assert_string_equal(buf_cstr(&out), "#+++++++++++++++++++++++++++\n"
                                        "# DICOM Server PExport         \n"
                                        "# Port : 11112\n"
                                        "# (SCP)C-ECHO\tON\n"
                                        "# (SCP)C-STORE\tOFF\n"
                                        "# (SCP)C-FIND\tON\n"
                                        "# (SCP)C-MOVE\tOFF\n"
                                        "# (SCP)C-GET\tOFF\n"
                                        "# Thread database save\tON\n"
                                        "# Extended database\tOFF\n"
                                        "# Api Sphere DicomWeb \tOFF\n"
                                        "# Api Annotation \tOFF\n"
                                        "#+++++++++++++++++++++++++++\n");
    buf_clear(&out);
    b.colour = true;
    banner_format(&b, &out);
    assert_contains(&out, "# (SCP)C-ECHO\t\033[92m\033[01mON\033[0m");
    assert_contains(&out, "# (SCP)C-STORE\t\033[91m\033[01mOFF\033[0m");
    buf_free(&out);
}

static void progress(void **state)
{
    static const struct {
        uint64_t total, done;
        int64_t ms;
        const char *text;
    } cases[] = {{500, 20, 2000, "sent 20 of 500, 10/s, 48 s left"},
                 {500, 500, 2000, "sent 500 of 500, 250/s"},
                 {0, 3, 2000, "sent 3, 1.5/s"},
                 {10, 0, 0, "sent 0 of 10, 0.0/s"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Progress p = {.what = "sent", .total = cases[i].total};
        char text[160];
        progress_text(&p, cases[i].done, cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scu_echo_final),
        cmocka_unit_test(scp_store_with_uids),
        cmocka_unit_test(texts_of_peers_are_printable),
        cmocka_unit_test(find_has_its_log),
        cmocka_unit_test(every_section),
        cmocka_unit_test(status_texts),
        cmocka_unit_test(execution_time),
        cmocka_unit_test(banner),
        cmocka_unit_test(progress),
    };
    return cmocka_run_group_tests(tests, utc, NULL);
}
