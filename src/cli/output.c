// SPDX-License-Identifier: MIT
#include "cli/output.h"

#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device or a pipe cannot be replaced by a file. */
static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static bool end_last_line(FILE *file)
{
    if (fseek(file, -1, SEEK_END) != 0)
        return true;
    int last = fgetc(file);
    fseek(file, 0, SEEK_END);
    return last == '\n' || last == EOF || fputc('\n', file) != EOF;
}

/* As other files of the house: what is written names patients. */
static FILE *open_private(const char *path, bool append)
{
    int fd = open(path, (append ? O_RDWR | O_APPEND : O_WRONLY | O_TRUNC) | O_CREAT | O_CLOEXEC, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, append ? "a+" : "w");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

bool output_open(Output *output, Arena *arena, const char *path, bool append, Err *err)
{
    *output = (Output){.file = stdout, .path = path};
    if (!path)
        return true;
    bool direct = append || is_special(path);
    if (!direct)
        output->temporary = arena_printf(arena, "%s.part-%ld", path, (long)getpid());
    output->file = open_private(direct ? path : output->temporary, append);
    if (!output->file)
        return err_errno(err, errno, "cannot write %s", path);
    return !append || is_special(path) || end_last_line(output->file) ||
           err_errno(err, errno, "cannot write %s", path);
}

bool output_close(Output *output, bool keep, Err *err)
{
    if (!output->file)
        return true;
    bool ok = !ferror(output->file) && fflush(output->file) == 0;
    if (!ok)
        err_errno(err, errno, "cannot write %s", output->path ? output->path : "the output");
    if (!output->path)
        return ok;
    fclose(output->file);
    output->file = NULL;
    if (output->temporary && ok && keep && rename(output->temporary, output->path) != 0)
        ok = err_errno(err, errno, "cannot write %s", output->path);
    if (output->temporary && (!ok || !keep))
        unlink(output->temporary);
    return ok;
}

bool answer_parse(const char *word, Answer *out)
{
    bool yes = false;
    YamlNode scalar = {.kind = YAML_SCALAR, .text = word};
    *out = ANSWER_NONE;
    if (!word)
        return true;
    if (!yaml_bool(&scalar, &yes))
        return false;
    *out = yes ? ANSWER_YES : ANSWER_NO;
    return true;
}

Answer answer_ask(const char *question, Answer given)
{
    enum { QUESTIONS = 3 }; /* what is no terminal may say the wrong thing for ever */
    char line[64];
    for (int i = 0; given == ANSWER_NONE && i < QUESTIONS; i++) {
        fprintf(stderr, "%s (yes/no) ", question);
        fflush(stderr);
        if (!fgets(line, sizeof line, stdin)) {
            fputc('\n', stderr);
            return ANSWER_NONE;
        }
        Span word = span_cstr(line);
        while (word.n && (word.p[word.n - 1] == '\n' || word.p[word.n - 1] == '\r'))
            word.n--;
        given = span_eq_cstr(word, "yes") ? ANSWER_YES : span_eq_cstr(word, "no") ? ANSWER_NO : ANSWER_NONE;
    }
    return given;
}

const char *pretty_size(double bytes, char out[32])
{
    static const char *const units[] = {"octets", "Ko", "Mo", "Go", "To", "Po"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 32, "%.2f %s", bytes, units[unit]);
    return out;
}

DcmLevel concept_level(const char *concept)
{
    return !strcmp(concept, "patient")  ? DCM_LEVEL_PATIENT
           : !strcmp(concept, "study")  ? DCM_LEVEL_STUDY
           : !strcmp(concept, "series") ? DCM_LEVEL_SERIES
                                        : DCM_LEVEL_IMAGE;
}
