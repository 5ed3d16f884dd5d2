// SPDX-License-Identifier: MIT
/*
 * app/logging_config.yml: a document of Python's logging.config.dictConfig, version 1, as a plan for base/log.h. Classes are
 * named as in Python (logging.StreamHandler, logging.handlers.RotatingFileHandler, colorlog.ColoredFormatter …); where
 * none is named, the keys of a handler say which it is. What a key cannot mean here is a problem, never ignored.
 */
#ifndef GANTRY_CLI_LOGGING_CONFIG_H
#define GANTRY_CLI_LOGGING_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

typedef struct LoggingTerms {
    const char *folder; /* files are relative to it */
    bool colour;        /* colours may be used on a terminal */
    bool stdout_taken;  /* stdout is for data: what is to go there goes to stderr */
} LoggingTerms;

/* Of the limits of a plan these are kept free for the program's own. */
enum { LOGGING_OWN_HANDLERS = 2, LOGGING_OWN_LOGGERS = 2 };

/* Into `plan`, texts in the arena. `*replace`: loggers that the document does not name are silenced.
   False when something is wrong: then `problems` has a line for each thing, with file, line, key and what is allowed. */
bool logging_config_load(Arena *arena, const char *path, const LoggingTerms *terms, LogPlan *plan,
                         bool *replace, Buf *problems);

#endif
