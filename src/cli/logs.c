// SPDX-License-Identifier: MIT
/*
 * The log files of an archive: one per subsystem, rotating, in log.path_folder; WARNING and above on stderr besides.
 * Names and sizes follow the handlers of app/logging_config.yml as it is shipped.
 */
#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEN_MIB = 10485760, GIGABYTE = 1000000000, FEW = 5, MANY = 20 };

static const struct {
    const char *logger, *file;
    LogLevel level;
    size_t max_bytes;
    int keep;
} handlers[] = {
    {"command_event", "command_event.log", LOG_DEBUG, TEN_MIB, FEW},
    {"pacs", "pacs.log", LOG_INFO, TEN_MIB, MANY},
    {"api_annotation", "api_annotation.log", LOG_DEBUG, TEN_MIB, MANY},
    {"api_dicomweb", "api_dicomweb.log", LOG_INFO, TEN_MIB, MANY},
    {"index_data", "index_data.log", LOG_DEBUG, TEN_MIB, MANY},
    {"pynetdicom", "pynetdicom.log", LOG_WARNING, GIGABYTE, MANY},
    {"sqlalchemy", "sqlalchemy.log", LOG_WARNING, GIGABYTE, MANY},
    {"settings", "settings.log", LOG_DEBUG, TEN_MIB, 2},
};

static bool make_folders(const Settings *settings, Err *err)
{
    const char *const folders[] = {settings->log_path_folder, settings->tmp_path, settings->fs_path,
                                   settings->path_white_list};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!file_make_dirs(folders[i], err))
            return false;
    return true;
}

bool cli_logs_start(const Settings *settings, Err *err)
{
    if (!make_folders(settings, err))
        return false;
    bool colour = settings->log_color_message && cli_colour(STDERR_FILENO);
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        char *path = file_join(settings->log_path_folder, handlers[i].file);
        LogSink file = {.logger = handlers[i].logger,
                        .path = path,
                        .level = handlers[i].level,
                        .max_bytes = handlers[i].max_bytes,
                        .keep = handlers[i].keep};
        LogSink console = {.logger = handlers[i].logger, .level = LOG_WARNING, .colour = colour};
        /* What a command has to say it prints itself, without time and level in front (cli_fail). */
        bool silent = !strcmp(handlers[i].logger, "command_event");
        bool ok = log_add_sink(&file, err) && (silent || log_add_sink(&console, err));
        free(path);
        if (!ok)
            return false;
    }
    return true;
}
