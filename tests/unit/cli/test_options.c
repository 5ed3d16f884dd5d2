// SPDX-License-Identifier: MIT
/* cli/options and help: every spelling that is accepted, every usage error, and what help says of the table. */
#include "house.h"

typedef struct Args {
    const char *ip, *called, *level;
    int64_t port, verbosity;
    bool many, force, reload;
    OptionList keys;
} Args;

static const Args defaults = {.level = "STUDY", .verbosity = -1, .many = true, .reload = true};
static const Option options[] = {
    {OPT_TEXT, .value = "ip", .help = "address", .at = offsetof(Args, ip)},
    {OPT_INT, .value = "port", .help = "port", .min = 1, .max = 65535, .at = offsetof(Args, port)},
    {OPT_TEXT, "aec", "ae_called", "AEC", "peer", .required = true, .at = offsetof(Args, called)},
    {OPT_TEXT, "l", "QRLevel", .choices = "PATIENT STUDY", .bare = "STUDY", .help = "level",
     .at = offsetof(Args, level)},
    {OPT_BOOL, "ma", "many_assoc", .help = "many", .at = offsetof(Args, many)},
    {OPT_BOOL, "rl", "reload", .bare = "no", .help = "reload", .at = offsetof(Args, reload)},
    {OPT_FLAG, "f", "force", .help = "force", .at = offsetof(Args, force)},
    {OPT_INT, "v", "verbosity", .max = 2, .help = "how much", .at = offsetof(Args, verbosity)},
    {OPT_LIST, "k", "key", .help = "key", .at = offsetof(Args, keys)},
    {OPT_END},
};

static const char *check(const void *args)
{
    const Args *a = args;
    return a->port == 666 ? "not that port" : NULL;
}

static const Command command = {.name = "test",
                                .summary = "Tests.",
                                .options = options,
                                .defaults = &defaults,
                                .size = sizeof(Args),
                                .check = check};

/* Splits at blanks. NULL when parsing failed; then `problem` tells. */
static const Args *parse_as(const Command *as, Arena *arena, const char *line, Buf *problem, bool *help)
{
    char *argv[32];
    int argc = 0;
    Span rest = span_cstr(line), word;
    bool more = true;
    while (span_split(&rest, ' ', &word, &more))
        if (word.n)
            argv[argc++] = arena_span_cstr(arena, word);
    Args *args = arena_alloc(arena, sizeof *args);
    return options_parse(as, argc, argv, arena, args, help, problem) ? args : NULL;
}

static const Args *parse(Arena *arena, const char *line, Buf *problem, bool *help)
{
    return parse_as(&command, arena, line, problem, help);
}

static void spellings(void **state)
{
    static const struct {
        const char *line;
        int64_t verbosity;
        const char *level;
        bool many, force, reload;
    } cases[] = {
        {"-aec X host 104", -1, "STUDY", true, false, true},
        {"host 104 -aec X", -1, "STUDY", true, false, true},
        {"host -aec X 104 -v 2", 2, "STUDY", true, false, true},
        {"-v2 -aec X host 104", 2, "STUDY", true, false, true},
        {"-v=1 -aec=X host 104", 1, "STUDY", true, false, true},
        {"--ae_called X host 104", -1, "STUDY", true, false, true},
        {"--ae_called=X host 104", -1, "STUDY", true, false, true},
        {"--ae X --verb=0 host 104", 0, "STUDY", true, false, true},
        {"-aec X --many_assoc FALSE --force host 104", -1, "STUDY", false, true, true},
        {"-aec X -ma 0 -f host 104", -1, "STUDY", false, true, true},
        {"-aec X -l patient host 104", -1, "PATIENT", true, false, true},
        {"host 104 -aec X -l", -1, "STUDY", true, false, true},
        {"host 104 -rl -aec X", -1, "STUDY", true, false, false},
        {"host 104 -rl yes -aec X", -1, "STUDY", true, false, true},
        {"-aec X -- host 104", -1, "STUDY", true, false, true},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf problem;
        buf_init(&problem, 0);
        bool help;
        const Args *args = parse(arena, cases[i].line, &problem, &help);
        if (!args)
            fail_msg("%s: %s", cases[i].line, buf_cstr(&problem));
        assert_false(help);
        assert_string_equal(args->ip, "host");
        assert_int_equal(args->port, 104);
        assert_string_equal(args->called, "X");
        assert_int_equal(args->verbosity, cases[i].verbosity);
        assert_string_equal(args->level, cases[i].level);
        assert_int_equal(args->many, cases[i].many);
        assert_int_equal(args->force, cases[i].force);
        assert_int_equal(args->reload, cases[i].reload);
        buf_free(&problem);
    }
    arena_free(arena);
}

static void usage_errors(void **state)
{
    static const struct {
        const char *line, *problem;
    } cases[] = {
        {"", "the following arguments are required: ip, port, -aec/--ae_called"},
        {"-aec X host", "the following arguments are required: port"},
        {"-aec X host 104 105", "unrecognized arguments: 105"},
        {"-aec X host 104 -q", "unrecognized arguments: -q"},
        {"-aec X host 104 --nothing=1", "unrecognized arguments: --nothing=1"},
        {"-aec X host 0", "argument port: '0' is not a whole number from 1 to 65535"},
        {"-aec X host 65536", "argument port: '65536' is not"},
        {"-aec X host 10x", "argument port: '10x' is not"},
        {"host 104 -aec", "argument -aec/--ae_called: expected one argument"},
        {"host 104 -aec -v 1", "argument -aec/--ae_called: expected one argument"},
        {"-aec X host 104 -v 3", "argument -v/--verbosity: '3' is not a whole number from 0 to 2"},
        {"-aec X host 104 -l SERIES",
         "argument -l/--QRLevel: invalid choice: 'SERIES' (choose from: PATIENT STUDY)"},
        {"-aec X host 104 -ma maybe", "argument -ma/--many_assoc: Boolean value expected."},
        {"-aec X host 104 --force=yes", "argument -f/--force: takes no value"},
        {"-aec X host 666", "not that port"},
    };
    Arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Buf problem;
        buf_init(&problem, 0);
        bool help;
        assert_null(parse(arena, cases[i].line, &problem, &help));
        assert_contains(&problem, cases[i].problem);
        buf_free(&problem);
    }
    arena_free(arena);
}

static void ambiguous_prefix(void **state)
{
    static const Option two[] = {
        {OPT_FLAG, .name = "version", .at = 0}, {OPT_FLAG, .name = "version_pacs", .at = 1}, {OPT_END}};
    static const bool none[2];
    const Command both = {.name = "both", .options = two, .defaults = none, .size = sizeof none};
    Arena *arena = arena_new(0);
    Buf problem;
    buf_init(&problem, 0);
    bool got[2], help;
    assert_false(options_parse(&both, 1, (char *[]){(char *)"--vers"}, arena, got, &help, &problem));
    assert_contains(&problem, "ambiguous option: --vers could match --version, --version_pacs");
    buf_clear(&problem);
    assert_true(options_parse(&both, 1, (char *[]){(char *)"--version"}, arena, got, &help,
                              &problem)); /* a whole name wins */
    assert_true(got[0] && !got[1]);
    assert_true(options_parse(&both, 1, (char *[]){(char *)"--version_"}, arena, got, &help, &problem));
    assert_true(!got[0] && got[1]);
    buf_free(&problem);
    arena_free(arena);
}

static void lists_have_an_end(void **state)
{
    Arena *arena = arena_new(0);
    Buf problem;
    buf_init(&problem, 0);
    bool help;
    const Args *args = parse(arena, "-aec X host 104 -k A=1 -k B", &problem, &help);
    assert_non_null(args);
    assert_int_equal(args->keys.count, 2);
    assert_string_equal(args->keys.items[0], "A=1");
    char *argv[2 * OPTION_LIST_MAX + 2];
    for (int i = 0; i < OPTION_LIST_MAX + 1; i++) {
        argv[2 * i] = (char *)"-k";
        argv[2 * i + 1] = (char *)"A";
    }
    Args many;
    assert_false(options_parse(&command, 2 * OPTION_LIST_MAX + 2, argv, arena, &many, &help, &problem));
    assert_contains(&problem, "more than 64");
    buf_free(&problem);
    arena_free(arena);
}

static void help_wins(void **state)
{
    Arena *arena = arena_new(0);
    Buf problem, text;
    buf_init(&problem, 0);
    buf_init(&text, 0);
    bool help = false;
    assert_non_null(parse(arena, "-v 9 --help", &problem, &help));
    assert_true(help);
    options_help(&command, "manage test", &text);
    assert_contains(&text, "usage: manage test [-h] -aec AEC [-l [{PATIENT,STUDY}]] [-ma BOOL]");
    assert_contains(&text, "positional arguments:\n  ip  ");
    assert_contains(&text, "required arguments:\n  -aec, --ae_called AEC");
    assert_contains(&text, "optional arguments:\n  -h, --help");
    Span rest = buf_span(&text), line;
    bool more = true;
    while (span_split(&rest, '\n', &line, &more))
        assert_in_range(line.n, 0, 100);
    buf_free(&problem);
    buf_free(&text);
    arena_free(arena);
}

static void completion_has_every_command(void **state)
{
    Buf text;
    buf_init(&text, 0);
    options_completion(&command_manage, "manage", &text);
    assert_contains(&text, "runserver) words=\"");
    assert_contains(&text, "--ae_called");
    assert_contains(&text, "complete -o filenames -F _gantry_manage manage");
    buf_free(&text);
}

/* What pypx's px-repack does with words it does not know. */
static void lenient_commands_pass_over(void **state)
{
    Arena *arena = arena_new(0);
    Buf problem;
    buf_init(&problem, 0);
    Command lenient = command;
    lenient.lenient = true;
    bool help;
    const Args *args =
        parse_as(&lenient, arena, "-aec X host 104 --nosuch value -zz=1 --force stray", &problem, &help);
    assert_non_null(args);
    assert_true(args->force);
    assert_string_equal(args->called, "X");
    assert_string_equal(buf_cstr(&problem),
                        "passed over, since there are no such options: --nosuch value -zz=1 stray");
    buf_clear(&problem);
    assert_null(parse_as(&lenient, arena, "-aec X host many --nosuch", &problem, &help));
    assert_non_null(strstr(buf_cstr(&problem), "port"));
    buf_free(&problem);
    arena_free(arena);
}

/* Whoever looks at the words of the process, or into the journal, sees stars. */
static void secrets_are_overwritten(void **state)
{
    static const char *const none = "";
    static const Option with_secret[] = {{OPT_TEXT, .name = "word", .help = "word", .secret = true},
                                         {OPT_END}};
    static const Command secret = {
        .name = "secret", .options = with_secret, .defaults = &none, .size = sizeof none};
    char two[] = "--word", three[] = "hush", attached[] = "--word=hush hush";
    char *const apart[] = {two, three}, *const together[] = {attached};
    Arena *arena = arena_new(0);
    Buf out;
    buf_init(&out, 0);
    const char *word;
    bool help;
    assert_true(options_parse(&secret, 2, apart, arena, &word, &help, &out));
    assert_string_equal(word, "hush");
    assert_string_equal(three, "****");
    assert_string_equal(two, "--word");
    assert_true(options_parse(&secret, 1, together, arena, &word, &help, &out));
    assert_string_equal(word, "hush hush");
    assert_string_equal(attached, "--word=*********");
    options_describe(&secret, &word, &out);
    assert_string_equal(buf_cstr(&out), "word = ********\n");
    buf_free(&out);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings),
        cmocka_unit_test(usage_errors),
        cmocka_unit_test(ambiguous_prefix),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(completion_has_every_command),
        cmocka_unit_test(lenient_commands_pass_over),
        cmocka_unit_test(secrets_are_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
