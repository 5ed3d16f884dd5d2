// SPDX-License-Identifier: MIT
#include "cli/secret_line.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void note(int number)
{
    interrupted = number;
}

/* A line of stdin, byte by byte: what follows it is not ours. */
static char *read_line(Arena *arena, size_t max, Err *err)
{
    char *line = arena_alloc(arena, max + 2);
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR && !interrupted)
            continue;
        if (got < 0 || interrupted) {
            err_set(err, ERR_CANCELLED, "cancelled; nothing was changed");
            return NULL;
        }
        if (got == 0 || c == '\n')
            break;
        if (c == 0 || n > max) {
            err_set(err, ERR_USAGE, "the line is longer than %zu bytes, or holds a NUL", max);
            return NULL;
        }
        line[n++] = c;
    }
    if (n && line[n - 1] == '\r')
        n--;
    line[n] = 0;
    if (n == 0)
        err_set(err, ERR_USAGE, "no password came; type it, or give it as the first line of stdin");
    return n ? line : NULL;
}

/* The echo comes back however the line ends: a signal only interrupts the reading. */
static char *ask(Arena *arena, const char *prompt, size_t max, Err *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    struct sigaction before[NUMBERS], action = {.sa_handler = note};
    struct termios with_echo, without;
    if (tcgetattr(STDIN_FILENO, &with_echo) != 0) {
        err_errno(err, errno, "the terminal cannot be asked");
        return NULL;
    }
    interrupted = 0;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < NUMBERS; i++)
        sigaction(numbers[i], &action, &before[i]);
    without = with_echo;
    without.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", prompt);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &without);
    char *line = read_line(arena, max, err);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &with_echo);
    fputc('\n', stderr);
    for (size_t i = 0; i < NUMBERS; i++)
        sigaction(numbers[i], &before[i], NULL);
    return line;
}

char *secret_line_once(Arena *arena, const char *prompt, size_t max, Err *err)
{
    return isatty(STDIN_FILENO) ? ask(arena, prompt, max, err) : read_line(arena, max, err);
}

char *secret_line(Arena *arena, const char *prompt, size_t max, Err *err)
{
    if (!isatty(STDIN_FILENO))
        return read_line(arena, max, err);
    char *first = ask(arena, prompt, max, err);
    char *second = first ? ask(arena, "The same again", max, err) : NULL;
    bool same = second && strcmp(first, second) == 0;
    if (first)
        explicit_bzero(first, strlen(first));
    if (!second || same)
        return second;
    explicit_bzero(second, strlen(second));
    err_set(err, ERR_USAGE, "these are two different passwords; nothing was changed");
    return NULL;
}
