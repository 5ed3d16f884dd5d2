// SPDX-License-Identifier: MIT
/* The standard output of a server. Any thread may print to it, and show what it has printed. */
#ifndef GANTRY_CLI_CONSOLE_H
#define GANTRY_CLI_CONSOLE_H

enum { CONSOLE_REST_MS = 1000 };

/* From now on stdout drops what nobody takes: a terminal that was stopped (Ctrl-S), or a full pipe, would hold up everybody who prints, and the stop. */
void console_begin(void);
/* Something was printed. Of what comes quickly some is shown in one write: the last of it by console_show_rest, which somebody calls every
   CONSOLE_REST_MS. */
void console_show(void);
void console_show_rest(void);

#endif
