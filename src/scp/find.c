// SPDX-License-Identifier: MIT
/*
 * Query, PS3.4 C.4.1: C-FIND, PS3.7 §9.1.2. Answers are sent as the cursor yields them. Those that come fast leave some at a time: an answer waits at
 * most for the next moment at which we look whether the query was cancelled, a millisecond or so.
 *
 * Final statuses: 0000; FE00 after C-CANCEL; C000 an identifier that cannot be understood or has no level; A900 a level that the model does not
 * have; B001 when there are more matches than find_limit allows: the warning PS3.4 defines for it. Clients keep what they
 * have got with it, while A700 makes several drop all answers.
 */
#include "scp/answer.h"
#include "scp/audit.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "dicom/write.h"

#include <inttypes.h>
#include <stdio.h>

enum { LIMIT_REACHED = 0xB001, LOOK_NS = 1000 * 1000 };

typedef struct Search {
    ScpAssociation *a;
    const NetCommand *request;
    ScpIdentifier id;
    uint64_t matches;
    int64_t began_ns, first_ns; /* the latter: when the first answer was there; 0 = none yet */
    int64_t looked_ns;          /* when we looked for a C-CANCEL and answers last left; 0 = never */
    bool stopped, over;         /* by C-CANCEL, or the peer has gone; the latter */
    Err why;                    /* of a failure */
} Search;

/* Asked between matches, and by the index while it finds none. */
static bool is_stopped(void *ctx)
{
    Search *s = ctx;
    int64_t now = clock_ns();
    if (s->stopped || now - s->looked_ns < LOOK_NS)
        return s->stopped;
    s->looked_ns = now;
    if (net_held(s->a->net) && !net_send_held(s->a->net, NULL))
        s->over = true;
    s->stopped = s->over || scp_interrupted(s->a, s->request, &s->over);
    return s->stopped;
}

static ArcQuery *open_query(Search *s)
{
    const ScpSettings *settings = s->a->settings;
    ScpQueryOptions options = scp_query_options(s->id.context->extended);
    ArcAsk ask = {.model = s->id.model,
                  .level = s->id.level,
                  .keys = s->id.keys,
                  .relational = options.relational,
                  .match = {.fold_names = settings->find_fold_names || options.fuzzy_names,
                            .fold_accents = settings->find_fold_names || options.fuzzy_names,
                            .combined_datetime = options.combined_datetime},
                  .extended_attributes = settings->find_extended,
                  .limit = settings->find_limit ? settings->find_limit + 1 : 0,
                  .stopped = is_stopped,
                  .stopped_ctx = s};
    return arc_query_open(s->a->archive, &ask, &s->why);
}

static bool send_match(Search *s, const IdxRow *row, Err *err)
{
    ScpAssociation *a = s->a;
    NetCommand response =
        net_response_to(s->request, row->unsupported_key ? DCM_STATUS_PENDING_WARNING : DCM_STATUS_PENDING);
    response.has_data_set = true;
    buf_clear(&a->answer);
    const DcmDataset *answer = scp_answer(a->row, &s->id, row, a->settings->ae_title);
    if (!dcm_write(&a->answer, answer, s->id.syntax, err))
        return err_wrap(err, "C-FIND answer");
    Span bytes = buf_span(&a->answer);
    if (s->matches++ == 0)
        s->first_ns = clock_ns();
    return net_send_later(a->net, &response, &bytes, err);
}

/* Sends the matches. *status: what the final response says. False: the association is over. */
static bool send_matches(Search *s, ArcQuery *query, uint16_t *status, Err *err)
{
    uint64_t limit = s->a->settings->find_limit;
    IdxRow row;
    while (!s->stopped) {
        arena_reset(s->a->row);
        if (!arc_query_next(query, s->a->row, &row, &s->why)) {
            if (s->stopped)
                break;
            *status = scp_status_of(&s->why);
            return true;
        }
        if (!row.attributes || (limit && s->matches == limit)) {
            *status = row.attributes ? LIMIT_REACHED : DCM_STATUS_SUCCESS;
            return true;
        }
        if (!is_stopped(s) && !send_match(s, &row, err))
            return false;
    }
    err_clear(&s->why);
    *status = DCM_STATUS_CANCEL;
    return !s->over || err_set(err, ERR_CLOSED, "the peer went away during its C-FIND");
}

static bool finish(Search *s, uint16_t status, Err *err)
{
    char comment[65] = "";
    if (status == LIMIT_REACHED)
        snprintf(comment, sizeof comment, "more than %" PRIu64 " matches; narrow the query", s->matches);
    else if (s->why.code)
        snprintf(comment, sizeof comment, "%s", scp_comment_of(&s->why, "Q/R Find"));
    return scp_respond(s->a, s->request, status, comment, err);
}

static void count(const Search *s, int64_t ended_ns)
{
    char labels[32];
    snprintf(labels, sizeof labels, "level=\"%s\"", dcm_level_name(s->id.level));
    metric_observe_us(
        metric_histogram("gantry_find_seconds", "C-FIND: from the request to the last answer.", labels),
        (ended_ns - s->began_ns) / 1000);
    metric_observe_us(metric_histogram("gantry_find_first_seconds",
                                       "C-FIND: from the request to the first answer.", labels),
                      ((s->first_ns ? s->first_ns : ended_ns) - s->began_ns) / 1000);
    metric_add(metric_counter("gantry_find_answers_total", "Answers to C-FIND.", labels), s->matches);
}

static double milliseconds(int64_t ns)
{
    return (double)ns / 1e6;
}

static void report(const Search *s, uint16_t status, int64_t began)
{
    char name[64], last[120];
    int64_t ended_ns = clock_ns();
    count(s, ended_ns);
    bool well = dcm_status_class(status) != DCM_FAILURE;
    if (!s->id.keys || s->why.code)
        log_warning(scp_logger(&s->why, SCP_LOG_TRANSACTION), "C-FIND from %s answered with %04X: %s",
                    s->a->calling, status, s->why.text);
    else
        log_info(SCP_LOG_TRANSACTION,
                 "C-FIND from %s, %s: %" PRIu64
                 " matches, first after %.3f ms, all after %.3f ms, status %04X",
                 s->a->calling, scp_identifier_name(&s->id, name), s->matches,
                 milliseconds((s->first_ns ? s->first_ns : ended_ns) - s->began_ns),
                 milliseconds(ended_ns - s->began_ns), status);
    snprintf(last, sizeof last, "Equal number of %s is %" PRIu64, dcm_level_name(s->id.level), s->matches);
    scp_event(s->a, s->request,
              (ScpEvent){.action = "CFIND",
                         .committed = !well,
                         .has_status = true,
                         .status = status,
                         .success = well,
                         .last_log = s->why.code ? s->why.text : last,
                         .data_set = s->id.keys,
                         .began_us = began});
}

bool scp_find(ScpAssociation *a, const NetCommand *request, Err *err)
{
    int64_t began = clock_wall_us(), began_ns = clock_ns();
    Search s = {.a = a, .request = request, .began_ns = began_ns};
    uint16_t status;
    if (!scp_identifier_read(a, request, &s.id, &s.why, err))
        return false;
    ArcQuery *query = !s.why.code && scp_audit_may_serve(a, &s.why) ? open_query(&s) : NULL;
    if (query) {
        bool going = send_matches(&s, query, &status, err);
        arc_query_close(query);
        if (!going) {
            scp_audit_query(a, &s.id, s.matches, DCM_STATUS_CANCEL, NULL);
            return false;
        }
    } else {
        status = scp_status_of(&s.why);
    }
    if (!scp_audit_query(a, &s.id, s.matches, status, &s.why))
        status = scp_status_of(&s.why);
    bool answered = finish(&s, status, err);
    report(&s, status, began);
    return answered;
}
