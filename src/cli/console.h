// SPDX-License-Identifier: MIT
/* The standard output of a server. */
#ifndef GANTRY_CLI_CONSOLE_H
#define GANTRY_CLI_CONSOLE_H

/* From now on stdout drops what nobody takes: a terminal that was stopped (Ctrl-S), or a full pipe, would hold up everybody who prints, and the stop. */
void console_begin(void);

#endif
