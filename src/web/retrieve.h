// SPDX-License-Identifier: MIT
/* What retrievals share: the selection that a path makes, and the transfer syntax that an object is wanted in. Only the files of web/ include this. */
#ifndef GANTRY_WEB_RETRIEVE_H
#define GANTRY_WEB_RETRIEVE_H

#include "web/dicomweb.h"

/* {study}, {series}, {instance} of the path. False: one of them can be no UID, 400 was answered. The strings live as long as the exchange. */
bool web_select_path(HttpExchange *x, IdxSelection *out);

/*
 * Which syntax is an object stored in `stored` sent in? PS3.18 §8.7.3.5: nothing said or "*" = as stored; no transfer-syntax parameter = explicit VR little endian,
 * but as stored where that is explicit VR little endian or cannot be decoded here, and in ZIP archives, which are kept. NULL = none that is acceptable. The result is `stored`
 * itself when it stays as it is.
 */
const char *web_wanted_syntax(const WebAccept *accept, const WebOffer *offer, const char *stored);
/* Is that never NULL, whatever is stored? */
bool web_takes_all(const WebAccept *accept, const WebOffer *offer);

/* Can an object stored in `stored` be had? */
typedef bool WebTakes(const WebAccept *accept, const WebOffer *offer, const char *stored);
/*
 * Opens a selection whose answer is in an acceptable form; *status is 200, or 206 where that is so of some objects only, which is asked before the answer begins. Rows are only looked at when
 * it depends on them: `takes` NULL = of all. NULL and err: 404 or 406, or it cannot be opened.
 */
ArcRetrieve *web_retrieve_open(Archive *archive, const IdxSelection *selection, const WebAccept *accept,
                               const WebOffer *offer, WebTakes *takes, unsigned *status, Err *err);

/* http_problem for what fails at the object itself: damaged pixel data cannot be had in the form that was asked for (406), which is no fault of the request. */
void web_object_problem(HttpExchange *x, Err *err);

/* An instance by its UID; while the database is away among the files, if the settings say so. Strings live as long as the exchange. */
bool web_look_up(HttpExchange *x, Archive *archive, const char *instance, IdxFile *out, Err *err);
/* Looks an instance of the path up, which must be of the study and series that the path names. False: 404 or another problem was answered. */
bool web_find_instance(HttpExchange *x, const WebService *service, IdxFile *out);

#endif
