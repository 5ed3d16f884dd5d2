// SPDX-License-Identifier: MIT
/*
 * PACS_QR.sh: px-find and px-report with what a site always gives them under one name, its environment. The commands run in this process; no shell sees them,
 * no container is needed.
 */
#include "cli/pacs_qr.h"

#include "cli/px_pipe.h"
#include "px/services.h"

#include <string.h>

static const PacsQrArgs defaults = {
    .base = "/home/dicom", .env = "", .verbs = "", .report = "", .container = ""};
#define TEXT(named, at_, valued, text)                                                                       \
    {                                                                                                        \
        OPT_TEXT, .name = (named), .value = (valued), .help = (text), .at = offsetof(PacsQrArgs, at_)        \
    }
static const Option options[] = {
    TEXT("do", verbs, "LIST",
         "retrieve, push, register, status: one, or several in the order given; without it: show what there "
         "is"),
    TEXT("env", env, "NAME",
         "the environment, from services/environments.json; without it: the one called default"),
    TEXT("report", report, "ARGS",
         "options of px-report instead of --printReport tabular; csv: a table of series"),
    TEXT("baseMount", base, "PATH", "where log, data and services are (default: /home/dicom)"),
    TEXT("AET", aet, "AET", "our AE title"),
    TEXT("AEC", aec, "AET", "AE title of the PACS"),
    TEXT("PACSIP", ip, "HOST", "address or name of the PACS"),
    TEXT("PACSport", port, "PORT", "port of the PACS"),
    TEXT("SWIFTKEY", swift, "KEY", "push: the storage, by its key"),
    TEXT("SWIFTPACS", name, "NAME", "push, register: the PACS's name in SERVICES/PACS/NAME"),
    TEXT("CUBEKEY", cube, "KEY", "register: the CUBE, by its key"),
    TEXT("SWIFTHOST", swift_host, "HOST", "sets the storage of --SWIFTKEY, and does nothing else"),
    TEXT("SWIFTPORT", swift_port, "PORT", "the same"),
    TEXT("SWIFTLOGIN", swift_login, "USER:PASSWORD", "the same"),
    TEXT("CUBEURL", cube_url, "URL", "sets the CUBE of --CUBEKEY, and does nothing else"),
    TEXT("CUBEuser", cube_user, "NAME", "the same"),
    TEXT("CUBEpassword", cube_password, "TEXT", "the same"),
    TEXT("container", container, "IMAGE", "accepted for old scripts: no container is run"),
    {OPT_FLAG, .name = "non-interactive", .help = "the same", .at = offsetof(PacsQrArgs, non_interactive)},
    {OPT_FLAG, .name = "debug", .help = "the same", .at = offsetof(PacsQrArgs, debug)},
    {OPT_FLAG, "F", .help = "accepted for old scripts: any user on any host may run it",
     .at = offsetof(PacsQrArgs, force)},
    {OPT_FLAG, "v", .help = "show the commands", .at = offsetof(PacsQrArgs, verbose)},
    {OPT_FLAG, "x", .help = "this help", .at = offsetof(PacsQrArgs, help)},
    {OPT_FLAG, "?", .help = "this help", .at = offsetof(PacsQrArgs, help)},
    {OPT_LIST, .value = "SEARCH",
     .help = "options of px-find, as one text: \"--PatientID 4711\"; or behind --", .optional = true,
     .at = offsetof(PacsQrArgs, search)},
    {OPT_END},
};

/* -- showing -- */

static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+";
    return *word && strspn(word, plain) == strlen(word);
}

/* As it could be typed. */
static void put_command(Buf *out, const char *name, const Words *words)
{
    buf_append_cstr(out, name);
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        buf_append_cstr(out, is_plain(word) ? " " : " '");
        for (const char *c = word; *c; c++)
            buf_printf(out, *c == '\'' ? "'\\''" : "%c", *c);
        buf_append_cstr(out, is_plain(word) ? "" : "'");
    }
}

static void show(const Words *find, const Words *report)
{
    Buf out;
    buf_init(&out, 0);
    put_command(&out, "px-find", find);
    if (report)
        put_command(&out, " | px-report", report);
    buf_append_cstr(&out, "\n");
    cli_put(stderr, &out);
}

static void tell_ignored(const Cli *cli, const PacsQrArgs *a)
{
    const struct {
        bool given;
        const char *name;
    } rows[] = {{*a->container != 0, "--container"},
                {a->non_interactive, "--non-interactive"},
                {a->debug, "--debug"},
                {a->force, "-F"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given)
            fprintf(stderr, "%s: %s has no effect: nothing is run in a container\n", cli->program,
                    rows[i].name);
}

/* -- records of services -- */

static void put_given(json_t *record, const char *name, const char *value)
{
    if (value)
        json_object_set_new(record, name, json_string(value));
}

static bool set_record(Cli *cli, const char *log, PxServiceKind kind, const char *key, json_t *given,
                       Err *err)
{
    json_t *records = px_services_read(log, kind, err);
    json_t *record = json_deep_copy(json_object_get(records, key)), *entries = json_object();
    record = record ? record : json_object();
    json_object_update(record, given);
    json_object_set_new(entries, key, record);
    bool ok = records && px_services_set(log, kind, entries, err);
    if (ok) {
        json_t *shown = px_service_masked(entries);
        const PxAsk ask = PX_ASK_DEFAULTS;
        px_print(shown, false, &ask);
        json_decref(shown);
    }
    json_decref(entries);
    json_decref(records);
    json_decref(given);
    return ok;
}

static bool set_swift(Cli *cli, const PacsQrArgs *a, const PacsQrEnvironment *e, const char *log, Err *err)
{
    json_t *given = json_object();
    put_given(given, "ip", a->swift_host);
    put_given(given, "port", a->swift_port);
    put_given(given, "login", a->swift_login);
    return set_record(cli, log, PX_SERVICE_STORAGE, e->values[PACS_QR_SWIFTKEY], given, err);
}

static bool set_cube(Cli *cli, const PacsQrArgs *a, const PacsQrEnvironment *e, const char *log, Err *err)
{
    json_t *given = json_object();
    put_given(given, "url", a->cube_url);
    put_given(given, "username", a->cube_user);
    put_given(given, "password", a->cube_password);
    return set_record(cli, log, PX_SERVICE_CUBE, e->values[PACS_QR_CUBEKEY], given, err);
}

/* -- the commands -- */

static void add(Words *words, const char *name, const char *value)
{
    words_add(words, arena_printf(words->arena, "--%s=%s", name, value));
}

static void put_member(json_t *object, const char *name, const char *value)
{
    json_object_set_new(object, name, json_string(value));
}

static json_t *arguments_of(PxVerb verb, const PacsQrEnvironment *e, const char *log)
{
    json_t *object = json_object();
    if (verb != PX_VERB_PUSH && verb != PX_VERB_REGISTER)
        return object;
    put_member(object, "db", log);
    put_member(object, "swiftServicesPACS", e->values[PACS_QR_SWIFTPACS]);
    if (verb == PX_VERB_PUSH) {
        put_member(object, "swift", e->values[PACS_QR_SWIFTKEY]);
        json_object_set_new(object, "swiftPackEachDICOM", json_true());
    } else {
        put_member(object, "CUBE", e->values[PACS_QR_CUBEKEY]);
        put_member(object, "parseAllFilesWithSubStr", "dcm");
    }
    return object;
}

static void add_verbs(Words *words, const PacsQrArgs *a, const PxVerbs *verbs, const PacsQrEnvironment *e,
                      const char *log)
{
    json_t *list = json_array();
    for (size_t i = 0; i < verbs->count; i++)
        json_array_append_new(list, arguments_of(verbs->items[i], e, log));
    Buf text;
    buf_init(&text, 0);
    px_document_write(list, true, &text);
    add(words, "then", a->verbs);
    add(words, "thenArgs",
        arena_span_cstr(words->arena, span_trim(span_sub(buf_span(&text), 0, text.n - 1))));
    words_add(words, "--withFeedBack");
    buf_free(&text);
    json_decref(list);
}

static bool add_search(Words *words, const OptionList *search, Err *err)
{
    for (size_t i = 0; i < search->count; i++) {
        const char *word = search->items[i];
        bool text = search->count == 1 || (*word == '-' && word[strcspn(word, "= ")] == ' ');
        if (!text)
            words_add(words, word);
        else if (!words_split(words, word, err))
            return err_wrap(err, "the search");
    }
    return true;
}

static bool find_words(const PacsQrArgs *a, const PxVerbs *verbs, const PacsQrEnvironment *e, const char *log,
                       Words *words, Err *err)
{
    static const struct {
        PacsQrValue value;
        const char *option;
    } rows[] = {
        {PACS_QR_AET, "aet"}, {PACS_QR_AEC, "aec"}, {PACS_QR_IP, "serverIP"}, {PACS_QR_PORT, "serverPort"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        add(words, rows[i].option, e->values[rows[i].value]);
    add(words, "db", log);
    if (verbs->count)
        add_verbs(words, a, verbs, e, log);
    return add_search(words, &a->search, err);
}

static bool report_words(const PacsQrArgs *a, Words *words, Err *err)
{
    static const char csv[] =
        "--printReport csv --csvPrettify --csvPrintHeaders --reportHeaderStudyTags "
        "PatientName,PatientID,StudyDate --reportBodySeriesTags SeriesDescription,SeriesInstanceUID";
    const char *report = !*a->report ? "--printReport tabular" : !strcmp(a->report, "csv") ? csv : a->report;
    words_add(words, "--colorize=dark");
    return words_split(words, report, err) || err_wrap(err, "--report");
}

static void tell_where(const char *base)
{
    fprintf(stderr,
            "\nThe images are in %s/data, if that is where the listener of our AE title files them.\n", base);
}

static int query(Cli *cli, const PacsQrArgs *a, Words *find, Err *err)
{
    Words report = {.arena = cli->arena};
    json_t *document;
    if (!report_words(a, &report, err))
        return px_fail(cli, err);
    if (a->verbose)
        show(find, &report);
    int code = px_find_words(cli, find->count, find->items, &document);
    if (document)
        code = px_report_words(cli, report.count, report.items, document);
    json_decref(document);
    return code;
}

static int act(Cli *cli, const PacsQrArgs *a, const PxVerbs *verbs, Words *find, const char *base)
{
    if (a->verbose)
        show(find, NULL);
    int code = px_find_words(cli, find->count, find->items, NULL);
    for (size_t i = 0; i < verbs->count; i++)
        if (verbs->items[i] == PX_VERB_RETRIEVE) {
            tell_where(base);
            break;
        }
    return code;
}

static int run(Cli *cli, const void *args)
{
    const PacsQrArgs *a = args;
    Err err = {0};
    if (a->help) {
        Buf out;
        buf_init(&out, 0);
        options_help(&command_pacs_qr, cli->program, &out);
        cli_put(stdout, &out);
        return EXIT_OK;
    }
    const char *log = arena_printf(cli->arena, "%s/log", a->base);
    PacsQrEnvironment environment;
    PxVerbs verbs;
    tell_ignored(cli, a);
    if (!pacs_qr_environment(cli->arena, a, &environment, &err) || !px_verbs_parse(&verbs, a->verbs, &err))
        return px_fail(cli, &err);
    bool cube = a->cube_url || a->cube_user || a->cube_password;
    bool swift = a->swift_host || a->swift_port || a->swift_login;
    if (cube || swift) {
        bool ok = (!cube || set_cube(cli, a, &environment, log, &err)) &&
                  (!swift || set_swift(cli, a, &environment, log, &err));
        return ok ? EXIT_OK : px_fail(cli, &err);
    }
    Words find = {.arena = cli->arena};
    if (!find_words(a, &verbs, &environment, log, &find, &err))
        return px_fail(cli, &err);
    return verbs.count ? act(cli, a, &verbs, &find, a->base) : query(cli, a, &find, &err);
}

const Command command_pacs_qr = {
    .name = "PACS_QR.sh",
    .summary = "search a PACS and retrieve, push, register from it, with the settings of an environment",
    .details = "Example: PACS_QR.sh --env orthanc --do retrieve,status \"--PatientID 4711\"\n"
               "Environments stand in PATH/services/environments.json (--baseMount PATH), else in "
               "~/.config/gantry/environments.json; what is given here goes first. Words of the search are "
               "separated by blanks; quotes keep blanks together. No shell looks at them.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof(PacsQrArgs),
    .run = run,
};
