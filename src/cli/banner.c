// SPDX-License-Identifier: MIT
#include "cli/banner.h"

static const char line[] = "#+++++++++++++++++++++++++++\n";

static void on_off(const Banner *banner, const char *label, bool on, Buf *out)
{
    const char *word = on ? "ON" : "OFF";
    if (banner->colour)
        buf_printf(out, "# %s\t\033[%dm\033[01m%s\033[0m\033[0m\n", label, on ? 92 : 91, word);
    else
        buf_printf(out, "# %s\t%s\n", label, word);
}

void banner_format(const Banner *banner, Buf *out)
{
    const char *bold = banner->colour ? "\033[01m" : "", *plain = banner->colour ? "\033[0m" : "";
    buf_append_cstr(out, line);
    buf_printf(out, "# DICOM Server %s%-16s%s\n", bold, banner->ae_title, plain);
    buf_printf(out, "# Port : %s%u%s\n", bold, banner->port, plain);
    if (banner->tls_port)
        buf_printf(out, "# Port TLS : %s%u%s\n", bold, banner->tls_port, plain);
    on_off(banner, "(SCP)C-ECHO", banner->echo, out);
    on_off(banner, "(SCP)C-STORE", banner->store, out);
    on_off(banner, "(SCP)C-FIND", banner->find, out);
    on_off(banner, "(SCP)C-MOVE", banner->move, out);
    on_off(banner, "(SCP)C-GET", banner->get, out);
    on_off(banner, "Thread database save", banner->saving, out);
    on_off(banner, "Extended database", banner->extended_database, out);
    on_off(banner, "Api Sphere DicomWeb ", banner->api_dicomweb, out);
    on_off(banner, "Api Annotation ", banner->api_annotation, out);
    buf_append_cstr(out, line);
}
