// SPDX-License-Identifier: MIT
/*
 * What requests over HTTP leave in the audit trail (PS3.15 A.5.3): searches, retrievals, what is stored and deleted, logins, what is not allowed. A viewer asks for the same
 * study again and again: of what somebody does alike with one study within a minute the first is a record, and the others are counted.
 */
#ifndef GANTRY_WEB_AUDIT_H
#define GANTRY_WEB_AUDIT_H

#include "archive/audit.h"
#include "web/web.h"

struct Stow;

/* False: the audit is required and cannot be written; 503 was answered. */
bool web_audit_may_serve(const WebSettings *settings, HttpExchange *x);
/* A request is over: a search or a retrieval, or one that was not allowed. */
void web_audit_finished(const WebContext *web, const HttpExchange *x, unsigned status);
/* The request is about this annotation; copied. What is not known yet (its UID, or what it belongs to) may be NULL. */
void web_audit_annotation(HttpExchange *x, const char *uid, DcmLevel level, const char *source);
/* Once for each request that stores, when its objects have their results. False, and err, as audit_record. */
bool web_audit_stored(struct Stow *stow, Err *err);
/* Before anything is deleted. */
bool web_audit_deleting(const WebContext *web, HttpExchange *x, const IdxSelection *selection,
                        const char *why, Err *err);
/* Somebody said who they are. `why` NULL: it is so; else why not. `user` NULL = unknown. */
void web_audit_login(Audit *audit, const HttpExchange *x, const char *user, const char *why);

#endif
