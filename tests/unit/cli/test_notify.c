// SPDX-License-Identifier: MIT
/* What the service manager hears: sd_notify(3). */
#include "house.h"

#include "cli/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

/* A socket by that name ('@': without a file), and NOTIFY_SOCKET set to it. */
static int listener(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(at.sun_path, name, n);
    if (*name == '@')
        at.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void expect_heard(int fd, const char *text)
{
    char heard[100] = "";
    ssize_t n = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);
    assert_int_equal(n, strlen(text));
    assert_string_equal(heard, text);
}

static void a_socket_in_a_folder(void **state)
{
    char *folder = house_folder();
    char path[100];
    snprintf(path, sizeof path, "%s/notify", folder);
    int fd = listener(path);
    notify_manager("READY=1");
    expect_heard(fd, "READY=1");
    close(fd);
    notify_manager("STOPPING=1"); /* nobody listens any more: no harm */
    house_remove(folder);
}

static void a_socket_without_a_file(void **state)
{
    char name[100];
    snprintf(name, sizeof name, "@gantry-test-%d", (int)getpid());
    int fd = listener(name);
    notify_manager("STOPPING=1");
    expect_heard(fd, "STOPPING=1");
    close(fd);
}

static void no_manager(void **state)
{
    static const char *const names[] = {"", "relative", "/nowhere/at/all"};
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_manager("READY=1");
    }
    char name[301];
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = 0;
    setenv("NOTIFY_SOCKET", name, 1);
    notify_manager("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_in_a_folder),
        cmocka_unit_test(a_socket_without_a_file),
        cmocka_unit_test(no_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
