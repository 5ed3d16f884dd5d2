// SPDX-License-Identifier: MIT
#include "archive/audit_chain.h"
#include "archive/audit_read.h"

#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "archive_fixture.h"

static Err err;
static char findings[4000];
static unsigned notes_told[3];

static int make_folder(void **state)
{
    memcpy(top, "/tmp/gantry-audit-XXXXXX", sizeof "/tmp/gantry-audit-XXXXXX");
    memset(notes_told, 0, sizeof notes_told);
    err = (Err){0};
    return mkdtemp(top) ? 0 : -1;
}

static int drop_folder(void **state)
{
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void tell_note(void *ctx, AuditChainNote note, Buf *body)
{
    (void)ctx;
    notes_told[note]++;
    buf_printf(body, "\"note\":%d", (int)note);
}

static AuditChain *open_chain(uint64_t max_bytes, int keep)
{
    AuditChain *chain = audit_chain_open(
        &(AuditChainSettings){.folder = top, .max_bytes = max_bytes, .keep = keep, .tell = tell_note}, &err);
    if (!chain)
        fail_msg("%s", err.text);
    return chain;
}

static void append(AuditChain *chain, int from, int count)
{
    Span bodies[64];
    char texts[64][32];
    for (int i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "\"n\":%d", from + i);
        bodies[i] = span_cstr(texts[i]);
    }
    if (!audit_chain_append(chain, bodies, (size_t)count, deadline_in(10000), &err))
        fail_msg("%s", err.text);
}

static void write_some(int from, int count)
{
    AuditChain *chain = open_chain(0, 0);
    append(chain, from, count);
    audit_chain_close(chain);
}

static void find(void *ctx, bool problem, const char *text)
{
    (void)ctx;
    size_t n = strlen(findings);
    snprintf(findings + n, sizeof findings - n, "%s%s\n", problem ? "!" : "", text);
}

static AuditVerdict verify(const AuditVerify *how)
{
    AuditVerify wish = how ? *how : (AuditVerify){0};
    AuditVerdict verdict;
    findings[0] = 0;
    wish.tell = find;
    if (!audit_verify(top, &wish, &verdict, &err))
        fail_msg("%s", err.text);
    return verdict;
}

static void assert_whole(uint64_t records)
{
    AuditVerdict v = verify(NULL);
    assert_string_equal(findings, "");
    assert_int_equal(v.records, records);
    assert_int_equal(v.problems, 0);
}

static void assert_found(const char *text)
{
    AuditVerdict v = verify(NULL);
    assert_true(v.problems > 0);
    if (!strstr(findings, text))
        fail_msg("'%s' is not in: %s", text, findings);
}

static Buf read_lines(void)
{
    Buf text;
    buf_init(&text, 0);
    assert_true(file_read_all(at(AUDIT_LINES), 1 << 20, &text, &err));
    return text;
}

static void write_lines(Span text)
{
    int fd = open(at(AUDIT_LINES), O_WRONLY | O_TRUNC);
    assert_true(fd >= 0 && file_write_all(fd, text.p, text.n, &err));
    close(fd);
}

static void replace(const char *from, const char *to)
{
    Buf text = read_lines();
    char *found = strstr((char *)(uintptr_t)buf_cstr(&text), from);
    assert_non_null(found);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(found, to, strlen(to));
    write_lines(buf_span(&text));
    buf_free(&text);
}

/* -- tests -- */

static void test_a_chain_goes_on_from_process_to_process(void **state)
{
    write_some(1, 3);
    write_some(4, 1);
    assert_whole(4);
    Buf text = read_lines();
    assert_non_null(strstr(buf_cstr(&text), "{\"seq\":1,\"prev\":\"0000"));
    assert_non_null(strstr(buf_cstr(&text), "{\"seq\":4,"));
    buf_free(&text);
}

/* In the middle, in the last line, in the numbers, with the length kept: each shows. */
static void test_a_change_shows(void **state)
{
    write_some(1, 5);
    replace("\"n\":3", "\"n\":7");
    assert_found("!audit.jsonl:4: what is before this line is not what it was when the line was written");
    replace("\"n\":7", "\"n\":3");
    assert_whole(5);
    replace("\"n\":5", "\"n\":6");
    assert_found("!audit.jsonl:5: the line was changed: its hash is not that of audit.head");
    replace("\"n\":6", "\"n\":5");
    replace("{\"seq\":2", "{\"seq\":9");
    assert_found("records 2 to 8 are missing before this one");
    replace("{\"seq\":9", "{\"seq\":x");
    assert_found("!audit.jsonl:2 is no record");
}

static void test_a_line_that_was_taken_out_shows(void **state)
{
    write_some(1, 4);
    Buf text = read_lines();
    char *second = strchr((char *)text.p, '\n') + 1, *third = strchr(second, '\n') + 1;
    size_t cut = (size_t)(third - second), rest = text.n - (size_t)((uint8_t *)third - text.p);
    memmove(second, third, rest);
    text.n -= cut;
    write_lines(buf_span(&text));
    buf_free(&text);
    assert_found("!audit.jsonl:2: records 2 to 2 are missing before this one");
}

/* Cut off at the end: seen at once, and for ever, though the writing goes on. */
static void test_a_cut_shows_and_stays(void **state)
{
    write_some(1, 4);
    Buf text = read_lines();
    text.n -= 1;
    while (text.p[text.n - 1] != '\n')
        text.n--;
    write_lines(buf_span(&text));
    buf_free(&text);
    assert_found("!records 4 to 4 were cut off the end");
    write_some(5, 1);
    assert_int_equal(notes_told[AUDIT_CHAIN_CUT], 1);
    assert_found("!audit.jsonl:4: records 4 to 4 are missing before this one");
    write_some(6, 2);
    assert_int_equal(notes_told[AUDIT_CHAIN_CUT], 1);
    assert_found("records 4 to 4 are missing before this one");
}

static void test_all_of_it_gone_shows(void **state)
{
    write_some(1, 4);
    unlink(at(AUDIT_LINES));
    assert_found("!records 1 to 4 were cut off the end");
    write_some(5, 1);
    assert_found("!audit.jsonl:1: records 1 to 4 are missing before this one");
}

static void test_a_head_that_is_gone(void **state)
{
    write_some(1, 2);
    unlink(at(AUDIT_HEAD));
    assert_found("!audit.head is missing or is none");
    write_some(3, 1);
    assert_int_equal(notes_told[AUDIT_CHAIN_NO_HEAD], 1);
    assert_whole(4);
}

/* One more would not be a number any more. */
static void test_a_head_with_too_large_a_number(void **state)
{
    static const char number[] = "20000000000000000003";
    Buf head;
    buf_init(&head, 0);
    write_some(1, 2);
    assert_true(file_read_all(at(AUDIT_HEAD), 1000, &head, &err));
    memcpy(head.p + strlen("gantry audit 1 "), number, strlen(number));
    int fd = open(at(AUDIT_HEAD), O_WRONLY);
    assert_true(file_write_all(fd, head.p, head.n, &err));
    close(fd);
    assert_found("!audit.head is missing or is none");
    write_some(3, 1);
    assert_int_equal(notes_told[AUDIT_CHAIN_NO_HEAD], 1);
    assert_whole(4);
    buf_free(&head);
}

/* What a power cut leaves: the head behind the lines; a line that does not end. */
static void test_after_a_power_cut(void **state)
{
    Buf head;
    buf_init(&head, 0);
    write_some(1, 2);
    assert_true(file_read_all(at(AUDIT_HEAD), 1000, &head, &err));
    write_some(3, 2);
    int fd = open(at(AUDIT_HEAD), O_WRONLY);
    assert_true(file_write_all(fd, head.p, head.n, &err));
    close(fd);
    assert_whole(4);
    write_some(5, 1);
    assert_whole(5);
    fd = open(at(AUDIT_LINES), O_WRONLY | O_APPEND);
    assert_true(file_write_all(fd, "{\"seq\":6,\"pr", 12, &err));
    close(fd);
    assert_int_equal(verify(NULL).problems, 0);
    assert_non_null(strstr(findings, "audit.jsonl:6 is cut short"));
    write_some(6, 1);
    assert_int_equal(notes_told[AUDIT_CHAIN_TORN], 1);
    AuditVerdict v = verify(NULL);
    assert_int_equal(v.problems, 0);
    assert_int_equal(v.last, 7);
    assert_non_null(strstr(findings, "audit.jsonl:6 was cut short"));
    write_some(7, 1);
    assert_int_equal(notes_told[AUDIT_CHAIN_TORN], 1);
    assert_int_equal(verify(NULL).problems, 0);
    buf_free(&head);
}

/* A torn line can neither be changed nor taken out later. */
static void test_a_torn_line_is_part_of_the_chain(void **state)
{
    write_some(1, 1);
    int fd = open(at(AUDIT_LINES), O_WRONLY | O_APPEND);
    assert_true(file_write_all(fd, "half a line", 11, &err));
    close(fd);
    write_some(2, 1);
    assert_int_equal(verify(NULL).problems, 0);
    replace("half a line", "half a lime");
    assert_found("!audit.jsonl:2 is no record");
}

static void test_rotation_keeps_the_chain(void **state)
{
    AuditChain *chain = open_chain(300, 0);
    for (int i = 0; i < 12; i++)
        append(chain, i, 1);
    audit_chain_close(chain);
    AuditVerdict v = verify(NULL);
    assert_string_equal(findings, "");
    assert_int_equal(v.records, 12);
    assert_true(v.files >= 3);
    assert_int_equal(access(at("audit-000000000001.jsonl"), F_OK), 0);
    unlink(at("audit-000000000005.jsonl"));
    assert_found("records 5 to 8 are missing before this one");
}

/* The last record is in a file that was put aside, and audit.jsonl is not there yet. */
static void test_a_crash_in_the_middle_of_a_rotation(void **state)
{
    write_some(1, 3);
    assert_int_equal(rename(at(AUDIT_LINES), at("audit-000000000001.jsonl")), 0);
    assert_whole(3);
    write_some(4, 1);
    assert_whole(4);
    assert_int_equal(notes_told[AUDIT_CHAIN_CUT], 0);
    unlink(at(AUDIT_HEAD));
    unlink(at(AUDIT_LINES));
    write_some(4, 1);
    assert_whole(5); /* of which one says that the head was missing */
}

static void test_old_files_go_where_that_is_wanted(void **state)
{
    AuditChain *chain = open_chain(300, 2);
    for (int i = 0; i < 20; i++)
        append(chain, i, 1);
    audit_chain_close(chain);
    AuditVerdict v = verify(NULL);
    assert_string_equal(findings, "");
    assert_int_equal(v.files, 3);
    assert_true(v.first > 1);
    assert_int_equal(v.last, 20);
    v = verify(&(AuditVerify){.from = 20});
    assert_int_equal(v.problems, 0);
    assert_int_equal(v.records, 1);
}

/* Whoever makes all of the chain anew is found out by a hash that was noted. */
static void test_a_hash_that_was_noted(void **state)
{
    write_some(1, 3);
    AuditVerdict v = verify(NULL);
    write_some(4, 1);
    char hash[AUDIT_HEX];
    memcpy(hash, v.hash, sizeof hash);
    AuditVerify how = {.seq = v.last, .hash = hash};
    assert_int_equal(verify(&how).problems, 0);
    unlink(at(AUDIT_LINES));
    unlink(at(AUDIT_HEAD));
    write_some(5, 4);
    assert_whole(4);
    assert_int_equal(verify(&how).problems, 1);
    assert_non_null(strstr(findings, "record 3 is not the one whose hash was noted"));
    how.seq = 9;
    assert_non_null((verify(&how), strstr(findings, "record 9, whose hash was noted, is missing")));
}

/* A file that may not grow stands in for a full disk: nothing half-written stays, and the next one goes on. */
static void test_a_full_disk(void **state)
{
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    AuditChain *chain = open_chain(0, 0);
    append(chain, 1, 2);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 250;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    Span body = SPAN("\"n\":3");
    assert_false(audit_chain_append(chain, &body, 1, deadline_in(1000), &err));
    assert_non_null(strstr(err.text, "audit.jsonl"));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_whole(2);
    append(chain, 3, 1);
    audit_chain_close(chain);
    assert_whole(3);
    assert_int_equal(notes_told[AUDIT_CHAIN_TORN], 0);
}

/* Processes that write at one time write one chain, across its rotations. */
static void test_several_processes(void **state)
{
    enum { PROCESSES = 4, EACH = 60 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            AuditChain *chain = audit_chain_open(
                &(AuditChainSettings){.folder = top, .max_bytes = 4000, .tell = tell_note}, &err);
            bool ok = chain != NULL;
            Span bodies[] = {SPAN("\"n\":1"), SPAN("\"n\":2")};
            for (int k = 0; ok && k < EACH; k++)
                ok = audit_chain_append(chain, bodies, 2, deadline_in(60000), &err);
            _exit(ok ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_whole(PROCESSES * EACH * 2);
}

static void test_a_reader_sees_what_was_there_when_it_was_opened(void **state)
{
    AuditLine line;
    write_some(1, 2);
    AuditReader *reader = audit_reader_open(top, &err);
    write_some(3, 2);
    assert_true(audit_reader_next(reader, &line, &err));
    assert_true(audit_reader_next(reader, &line, &err));
    assert_int_equal(line.number, 2);
    assert_false(audit_reader_next(reader, &line, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(audit_reader_head(reader)->seq, 2);
    audit_reader_close(reader);
}

static void test_what_cannot_be_read_or_written(void **state)
{
    AuditVerdict verdict;
    assert_false(audit_verify(top, &(AuditVerify){0}, &verdict, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err = (Err){0};
    assert_false(audit_verify("/nowhere", &(AuditVerify){0}, &verdict, &err));
    assert_null(audit_chain_open(&(AuditChainSettings){.folder = "/dev/null/audit"}, &err));
    uint64_t seq;
    char prev[AUDIT_HEX];
    static const char *const lines[] = {"", "{\"seq\":", "{\"seq\":1,\"prev\":\"",
                                        "{\"seq\":0,\"prev\":\"00\",", "{\"seq\": 1,\"prev\":\"00\""};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(audit_line_begins(span_cstr(lines[i]), &seq, prev));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        CASE(test_a_chain_goes_on_from_process_to_process),
        CASE(test_a_change_shows),
        CASE(test_a_line_that_was_taken_out_shows),
        CASE(test_a_cut_shows_and_stays),
        CASE(test_all_of_it_gone_shows),
        CASE(test_a_head_that_is_gone),
        CASE(test_a_head_with_too_large_a_number),
        CASE(test_after_a_power_cut),
        CASE(test_a_torn_line_is_part_of_the_chain),
        CASE(test_rotation_keeps_the_chain),
        CASE(test_a_crash_in_the_middle_of_a_rotation),
        CASE(test_old_files_go_where_that_is_wanted),
        CASE(test_a_hash_that_was_noted),
        CASE(test_a_full_disk),
        CASE(test_several_processes),
        CASE(test_a_reader_sees_what_was_there_when_it_was_opened),
        CASE(test_what_cannot_be_read_or_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
