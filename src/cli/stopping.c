// SPDX-License-Identifier: MIT
#include "cli/stopping.h"

#include <signal.h>
#include <unistd.h>

static atomic_bool stop;

static void on_signal(int number)
{
    static const char text[] = "\nStopping after what has been begun; once more ends at once.\n";
    atomic_store(&stop, true);
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
}

const atomic_bool *stopping_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop;
}
