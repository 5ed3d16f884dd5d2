// SPDX-License-Identifier: MIT
/* scp/peers: who is admitted from where, destinations, edits while running, broken files. */
#include "scp/peers.h"

#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct Fixture {
    char folder[64];
    Peers *peers;
    char reports[4096];
} Fixture;

static void write_file(const Fixture *f, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void keep_report(void *ctx, const char *line)
{
    Fixture *f = ctx;
    size_t n = strlen(f->reports);
    snprintf(f->reports + n, sizeof f->reports - n, "%s\n", line);
}

static Peers *open_peers(Fixture *f)
{
    Err err = {0};
    f->peers = peers_open(f->folder, keep_report, f, &err);
    assert_non_null(f->peers);
    return f->peers;
}

static int setup(void **state)
{
    Fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/test-peers-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    peers_close(f->peers);
    assert_true(folder_remove(f->folder));
    free(f);
    return 0;
}

static bool admitted(Peers *peers, const char *title, const char *host)
{
    char why[PEER_WHY] = "";
    PeerRules rules;
    PeerCaller caller = {.ae_title = title, .from.port = 40000};
    snprintf(caller.from.host, sizeof caller.from.host, "%s", host);
    bool yes = peers_rules(peers, &caller, &rules, why);
    assert_true(yes || *why);
    return yes;
}

static void titles_and_addresses(void **state)
{
    Fixture *f = *state;
    write_file(f, "a.yml",
               "ONE: {ip: 10.1.2.3, port: 4242}\n"
               "SIX: {ip: 'fd00::1'}\n"
               "NET: {ip: 192.168.7.0/24}\n"
               "NET6: {ip: 'fd00:1::/32'}\n"
               "HERE: {ip: localhost}\n"
               "4711: {ip: 10.0.0.9}\n"
               "Case: {ip: 10.0.0.1}\n");
    write_file(f, "b.conf", "ONE: {ip: 10.9.9.9}\n");
    Peers *peers = open_peers(f);
    static const struct {
        const char *title, *host;
        bool yes;
    } rows[] = {
        {"ONE", "10.1.2.3", true},
        {"ONE", "::ffff:10.1.2.3", true},
        {"ONE", "10.9.9.9", true},
        {"ONE", "10.1.2.4", false},
        {"one", "10.1.2.3", false},
        {"TWO", "10.1.2.3", false},
        {"SIX", "fd00::1", true},
        {"SIX", "fd00:0:0:0::1%eth0", true},
        {"SIX", "fd00::2", false},
        {"NET", "192.168.7.200", true},
        {"NET", "192.168.8.200", false},
        {"NET6", "fd00:1:5::9", true},
        {"NET6", "fd00:2::9", false},
        {"HERE", "127.0.0.1", true},
        {"HERE", "::1", true},
        {"HERE", "10.1.2.3", false},
        {"4711", "10.0.0.9", true},
        {"Case", "10.0.0.1", true},
        {"CASE", "10.0.0.1", false},
        {"", "10.0.0.1", false},
        {"ONE", "an unknown address", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (admitted(peers, rows[i].title, rows[i].host) != rows[i].yes)
            fail_msg("%s from %s", rows[i].title, rows[i].host);
    assert_string_equal(f->reports, "");
}

static void why_says_what_to_do(void **state)
{
    Fixture *f = *state;
    char why[PEER_WHY];
    PeerRules rules;
    write_file(f, "a.yml", "ONE: {ip: 10.1.2.3}\nSAFE: {ip: 10.5.5.5, tls: yes}\n");
    Peers *peers = open_peers(f);
    PeerCaller caller = {.ae_title = "NEW", .from.host = "10.5.5.5"};
    assert_false(peers_rules(peers, &caller, &rules, why));
    assert_non_null(strstr(why, "NEW: {ip: 10.5.5.5}"));
    assert_non_null(strstr(why, f->folder));
    caller.ae_title = "ONE";
    assert_false(peers_rules(peers, &caller, &rules, why));
    assert_non_null(strstr(why, "10.1.2.3"));
    assert_non_null(strstr(why, "ONE: {ip: 10.5.5.5}"));
    caller.ae_title = "SAFE";
    assert_false(peers_rules(peers, &caller, &rules, why));
    assert_non_null(strstr(why, "it must come over TLS"));
    assert_non_null(strstr(why, "a.yml:2"));
    caller.tls = true;
    assert_true(peers_rules(peers, &caller, &rules, why));
}

static void keys_of_tls(void **state)
{
    Fixture *f = *state;
    static const char digits[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    char text[1024];
    snprintf(text, sizeof text,
             "A: {ip: 10.0.0.1, port: 1, tls: no}\nB: {ip: 10.0.0.1, port: 1, certificate: ct1.example.org}\n"
             "C: {ip: 10.0.0.1, port: 1, certificate: [CT One, 'SHA256:%s']}\n"
             "D: {ip: 10.0.0.1, certificate: []}\nE: {ip: 10.0.0.1, certificate: 'sha256:12'}\n"
             "F: {ip: 10.0.0.1, tls: perhaps}\nG: {ip: 10.0.0.1, certificate: {a: b}}\n",
             digits);
    write_file(f, "a.yml", text);
    Peers *peers = open_peers(f);
    PeerAddress to;
    Err err = {0};
    assert_true(peers_destination(peers, "A", &to, &err));
    assert_false(to.tls);
    assert_true(peers_destination(peers, "B", &to, &err));
    assert_true(to.tls);
    assert_string_equal(to.certificate, "ct1.example.org");
    assert_true(peers_destination(peers, "C", &to, &err));
    assert_string_equal(to.certificate,
                        "CT One\nsha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    for (const char *bad = "DEFG"; *bad; bad++)
        assert_false(admitted(peers, (char[]){*bad, 0}, "10.0.0.1"));
    assert_non_null(strstr(f->reports, "a.yml:5: `certificate` is a name in the peer's certificate"));
    assert_non_null(strstr(f->reports, "a.yml:6: `tls` is yes or no"));
}

static void destinations(void **state)
{
    Fixture *f = *state;
    PeerAddress to = {0};
    Err err = {0};
    write_file(f, "a.yml",
               "ONE: {ip: 10.1.2.3, port: 4242}\n"
               "INWARD: {ip: 10.1.2.3}\n"
               "NET: {ip: 10.0.0.0/8, port: 104}\n"
               "HOST: {ip: ct.example.org, port: 104}\n");
    write_file(f, "b.yml", "ONE: {ip: 10.9.9.9, port: 11112}\n");
    Peers *peers = open_peers(f);
    assert_true(peers_destination(peers, "ONE", &to, &err));
    assert_string_equal(to.host, "10.9.9.9");
    assert_int_equal(to.port, 11112);
    assert_true(peers_destination(peers, "HOST", &to, &err));
    assert_string_equal(to.host, "ct.example.org");
    static const char *const without[] = {"INWARD", "NET", "NOBODY"};
    for (size_t i = 0; i < 3; i++) {
        assert_false(peers_destination(peers, without[i], &to, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_int_equal(err.dimse, 0xA801);
        assert_non_null(strstr(err.text, without[i]));
    }
    assert_string_equal(to.host, "ct.example.org");
}

static void edits_take_effect(void **state)
{
    Fixture *f = *state;
    Peers *peers = open_peers(f);
    assert_false(admitted(peers, "ONE", "10.1.2.3"));
    write_file(f, "a.yml", "ONE: {ip: 10.1.2.3}\n");
    assert_true(admitted(peers, "ONE", "10.1.2.3"));
    write_file(f, "a.yml", "TWO: {ip: 10.1.2.3}\nTHREE: {ip: 10.1.2.3}\n");
    assert_false(admitted(peers, "ONE", "10.1.2.3"));
    assert_true(admitted(peers, "THREE", "10.1.2.3"));
    char path[128];
    snprintf(path, sizeof path, "%s/a.yml", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_false(admitted(peers, "TWO", "10.1.2.3"));
}

static void broken_files(void **state)
{
    Fixture *f = *state;
    write_file(f, "0-broken.yml", "ONE: {ip: 10.1.2.3\nTWO: [\n");
    write_file(f, "1-list.yml", "- ONE\n- TWO\n");
    write_file(f, "2-entries.yml",
               "NOIP: {port: 104}\n"
               "BADPORT: {ip: 10.1.2.3, port: 70000}\n"
               "TOOLONGATITLE1234: {ip: 10.1.2.3}\n"
               "FLAT: 10.1.2.3\n"
               "GOOD: {ip: 10.1.2.3, port: 104, description: 'room 4, Dr. Who', comment: }\n"
               "SLIP: {ip: 10.1.2.3, readonly: yes}\n"
               "NOTE: {ip: 10.1.2.3, comment: [a, b]}\n");
    write_file(f, "3-empty.yml", "");
    write_file(f, "4-backup.yml~", "OLD: {ip: 10.1.2.3}\n");
    write_file(f, ".hidden.yml", "HIDDEN: {ip: 10.1.2.3}\n");
    Peers *peers = open_peers(f);
    assert_true(admitted(peers, "GOOD", "10.1.2.3"));
    static const char *const out[] = {"ONE",    "NOIP", "BADPORT", "TOOLONGATITLE1234", "FLAT", "OLD",
                                      "HIDDEN", "SLIP", "NOTE"};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        assert_false(admitted(peers, out[i], "10.1.2.3"));
    static const char *const said[] = {
        "0-broken.yml:",
        "1-list.yml:1:",
        "2-entries.yml:1:",
        "2-entries.yml:2:",
        "2-entries.yml:3:",
        "2-entries.yml:4:",
        "`readonly` is no key of an entry, so that the entry of SLIP admits nobody"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(f->reports, said[i]))
            fail_msg("%s is not in: %s", said[i], f->reports);
    assert_null(strstr(f->reports, "3-empty"));
}

/* Look-ups of names take 127.00.0.1, 127.1 and 0x7f000001 for 127.0.0.1, and 010.0.0.1 for 8.0.0.1. */
static void what_is_neither_an_address_nor_a_name(void **state)
{
    static const char *const bad[] = {"127.00.0.1", "010.0.0.1",  "127.1", "2130706433", "300.1.1.1",
                                      "0x7f.1",     "0x7f000001", "::1::", "127.0.0.1:", "local host"};
    Fixture *f = *state;
    Peers *peers = open_peers(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "HERE: {ip: '%s'}\n", bad[i]);
        write_file(f, "a.yml", text);
        f->reports[0] = 0;
        if (admitted(peers, "HERE", "127.0.0.1") || admitted(peers, "HERE", "8.0.0.1"))
            fail_msg("%s is somebody", bad[i]);
        assert_non_null(strstr(f->reports, "a.yml:1: `ip` is no address"));
    }
    write_file(f, "a.yml", "HERE: {ip: 127.0.0.1}\n");
    assert_true(admitted(peers, "HERE", "127.0.0.1"));
}

static void folders_only_when_no_file(void **state)
{
    Fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/site", f->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(f, "site/a.yml", "INSIDE: {ip: 10.1.2.3}\n");
    Peers *peers = open_peers(f);
    assert_true(admitted(peers, "INSIDE", "10.1.2.3"));
    write_file(f, "b.yml", "BESIDE: {ip: 10.1.2.3}\n");
    assert_true(admitted(peers, "BESIDE", "10.1.2.3"));
    assert_false(admitted(peers, "INSIDE", "10.1.2.3"));
}

/* With too many files open the folder looks empty; nobody may be locked out for that. */
static void out_of_descriptors(void **state)
{
    Fixture *f = *state;
    write_file(f, "a.yml", "ONE: {ip: 10.1.2.3, port: 4242}\n");
    Peers *peers = open_peers(f);
    PeerAddress address;
    Err err = {0};
    struct rlimit usual, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(chmod(f->folder, 0750), 0); /* has it looked at again */
    bool in = admitted(peers, "ONE", "10.1.2.3") && admitted(peers, "ONE", "10.1.2.3");
    bool out = peers_destination(peers, "ONE", &address, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_true(in && out);
    const char *said = strstr(f->reports, "cannot be read");
    assert_non_null(said);
    assert_null(strstr(said + 1, "cannot be read"));
    write_file(f, "b.yml", "TWO: {ip: 10.1.2.4}\n");
    assert_true(admitted(peers, "TWO", "10.1.2.4"));
    assert_true(folder_remove(f->folder));
    assert_false(admitted(peers, "ONE", "10.1.2.3"));
    assert_int_equal(mkdir(f->folder, 0700), 0);
}

/* A restore may put a folder in the place of another: the new one is watched from then on. */
static void the_folder_is_replaced(void **state)
{
    Fixture *f = *state;
    char aside[128], path[160];
    write_file(f, "a.yml", "ONE: {ip: 10.1.2.3}\n");
    Peers *peers = open_peers(f);
    assert_true(admitted(peers, "ONE", "10.1.2.3"));
    snprintf(aside, sizeof aside, "%s.aside", f->folder);
    assert_int_equal(rename(f->folder, aside), 0);
    assert_int_equal(mkdir(f->folder, 0700), 0);
    assert_false(admitted(peers, "ONE", "10.1.2.3"));
    for (int i = 0; i < 3; i++) {
        write_file(f, "a.yml", i % 2 ? "ONE: {ip: 10.1.2.3}\n" : "THREE: {ip: 10.1.2.3}\n");
        assert_int_equal(admitted(peers, "ONE", "10.1.2.3"), i % 2);
        assert_int_equal(admitted(peers, "THREE", "10.1.2.3"), !(i % 2));
    }
    snprintf(path, sizeof path, "%s/a.yml", aside);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(aside), 0);
}

static void folder_is_made(void **state)
{
    Fixture *f = *state;
    Err err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/app/white_list", f->folder);
    f->peers = peers_open(path, NULL, NULL, &err);
    assert_non_null(f->peers);
    assert_int_equal(access(path, R_OK | X_OK), 0);
    assert_false(admitted(f->peers, "ONE", "10.1.2.3"));
    assert_null(peers_open("/dev/null/white_list", NULL, NULL, &err));
    assert_non_null(strstr(err.text, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(titles_and_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(why_says_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(destinations, setup, teardown),
        cmocka_unit_test_setup_teardown(edits_take_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_files, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_neither_an_address_nor_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_only_when_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(the_folder_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_is_made, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
