// SPDX-License-Identifier: MIT
/* base/confine: what a process that gave its rights away can still do. Each case runs in a child, because there is no way back. */
#include "base/confine.h"

#include "base/file.h"
#include "counted.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

static char top[64];

static const char *at(const char *name)
{
    static char paths[4][160];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", top, name);
    return path;
}

static int make_top(void **state)
{
    memcpy(top, "/tmp/gantry-confine-XXXXXX", sizeof "/tmp/gantry-confine-XXXXXX");
    if (!mkdtemp(top) || mkdir(at("own"), 0700) || mkdir(at("other"), 0700) || mkdir(at("own/a"), 0700) ||
        mkdir(at("own/b"), 0700))
        return -1;
    return !file_replace(at("other/file"), SPAN("x"), 0600, NULL) ||
           !file_replace(at("own/a/file"), SPAN("x"), 0600, NULL);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static int drop_top(void **state)
{
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- in the child -- */

#define EXPECT(what)                                                                                         \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #what, errno);                      \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

/* A build that counts lines writes its counts where it was built: the folder in which the tests run. That it may, so that it can be confined here. */
#ifdef GANTRY_COVERAGE
static const char *const counts = ".";
#else
static const char *const counts = "/missing";
#endif

static void confine_child(bool reads)
{
    const char *const writes[] = {at("own"), at("missing"), counts}, *const readable[] = {"/usr", "/lib"};
    static const uint16_t ports[] = {1};
    Buf lacking;
    Err err = {0};
    buf_init(&lacking, 0);
    bool ok = confine(&(Confine){.writes = writes,
                                 .write_count = 3,
                                 .reads = reads ? readable : NULL,
                                 .read_count = 2,
                                 .ports = ports,
                                 .port_count = 1},
                      &lacking, &err);
    if (!ok || lacking.n) {
        fprintf(stderr, "%s; lacking: %s\n", err.text, buf_cstr(&lacking));
        _exit(lacking.n ? 77 : 1);
    }
    buf_free(&lacking);
    counted();
}

static void run(void (*child)(void))
{
    if (confine_obstacle() && strcmp(counts, ".") != 0)
        skip();
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        child();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool fails(int result, int number)
{
    return result == -1 && errno == number;
}

static void files(void)
{
    confine_child(false);
    EXPECT(open(at("own/new"), O_WRONLY | O_CREAT, 0600) >= 0);
    EXPECT(open(at("own/a/file"), O_RDWR | O_TRUNC) >= 0);
    EXPECT(rename(at("own/a/file"), at("own/b/file")) == 0);
    EXPECT(link(at("own/b/file"), at("own/a/again")) == 0);
    EXPECT(mkdir(at("own/c"), 0700) == 0 && rmdir(at("own/c")) == 0);
    EXPECT(unlink(at("own/a/again")) == 0);
    EXPECT(open(at("own"), O_TMPFILE | O_RDWR, 0600) >= 0);
    EXPECT(open("/dev/null", O_RDWR) >= 0);
    EXPECT(open(at("other/file"), O_RDONLY) >= 0);
    EXPECT(fails(open(at("other/file"), O_WRONLY), EACCES));
    EXPECT(fails(open(at("other/file"), O_RDONLY | O_TRUNC), EACCES));
    EXPECT(fails(truncate(at("other/file"), 0), EACCES));
    EXPECT(fails(open(at("other/new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails(open(at("own/../other/new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails(unlink(at("other/file")), EACCES));
    EXPECT(fails(mkdir(at("other/folder"), 0700), EACCES));
    EXPECT(fails(symlink("/etc", at("other/link")), EACCES));
    EXPECT(rename(at("own/b/file"), at("other/moved")) == -1);
    EXPECT(rename(at("other/file"), at("own/stolen")) == -1);
    EXPECT(symlink(at("other/file"), at("own/link")) == 0);
    EXPECT(fails(open(at("own/link"), O_WRONLY), EACCES));
}

static void reading(void)
{
    confine_child(true);
    EXPECT(open(at("own/a/file"), O_RDONLY) >= 0);
    EXPECT(open("/usr/bin/env", O_RDONLY) >= 0);
    EXPECT(fails(open("/usr/new", O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails(open(at("other/file"), O_RDONLY), EACCES));
    EXPECT(fails(open("/etc/passwd", O_RDONLY), EACCES));
}

static void *thread(void *ctx)
{
    char *const words[] = {(char[]){"true"}, NULL};
    *(bool *)ctx = syscall(SYS_execve, "/bin/true", words, NULL) == -1 && errno == EPERM;
    return NULL;
}

static void programs(void)
{
    confine_child(false);
    char *const words[] = {(char[]){"true"}, NULL};
    EXPECT(fails((int)syscall(SYS_execve, "/bin/true", words, NULL), EPERM));
    EXPECT(fails(fork(), EPERM));
    EXPECT(fails((int)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0), EPERM));
    EXPECT(fails((int)syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */), EPERM));
    EXPECT(fails((int)syscall(SYS_setuid, 0), EPERM));
    EXPECT(fails((int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL), EPERM));
    EXPECT(fails((int)syscall(SYS_bpf, 0, NULL, 0), EPERM));
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
    bool refused = false;
    pthread_t id;
    EXPECT(pthread_create(&id, NULL, thread, &refused) == 0 && pthread_join(id, NULL) == 0);
    EXPECT(refused);
}

static void memory(void)
{
    confine_child(false);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    EXPECT(mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1);
    EXPECT(mprotect(page, 4096, PROT_READ) == 0);
}

static int bound(int family, uint16_t port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    return fd < 0 ? fd : bind(fd, (struct sockaddr *)&address, sizeof address);
}

static void sockets(void)
{
    confine_child(false);
    EXPECT(fails(bound(AF_INET, 40404), EACCES));
    EXPECT(socket(AF_INET6, SOCK_STREAM, 0) >= 0 && socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
    EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    EXPECT(fails(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT));
    EXPECT(fails(socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT));
    EXPECT(fails(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT));
    EXPECT(fails(socket(AF_X25, SOCK_SEQPACKET, 0), EAFNOSUPPORT));
}

static void becoming(void)
{
    Err err = {0};
    if (geteuid() != 0)
        _exit(77);
    EXPECT(!confine_become("no-such-user", false, &err) && err.code == ERR_NOT_FOUND);
    EXPECT(confine_become("root", false, &err));
    counted();
    EXPECT(confine_become("nobody", true, &err));
    EXPECT(geteuid() != 0 && getuid() == geteuid() && getgid() == getegid());
    EXPECT(fails(setuid(0), EPERM));
    EXPECT(bound(AF_INET, 1) == 0 || errno == EADDRINUSE);
    EXPECT(confine_become("nobody", false, &err));
    EXPECT(!confine_become("root", false, &err) && strstr(err.text, "only root can become root"));
}

static void becoming_without_ports(void)
{
    Err err = {0};
    if (geteuid() != 0)
        _exit(77);
    EXPECT(confine_become("nobody", false, &err));
    EXPECT(fails(bound(AF_INET, 1), EACCES));
}

static void writes_below_its_folders_only(void **state)
{
    run(files);
}

static void reads_what_was_named_only(void **state)
{
    run(reading);
}

static void starts_no_program(void **state)
{
    run(programs);
}

static void memory_does_not_become_executable(void **state)
{
    run(memory);
}

static void sockets_of_few_families_and_ports(void **state)
{
    run(sockets);
}

static void root_becomes_somebody(void **state)
{
    run(becoming);
    run(becoming_without_ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_below_its_folders_only, make_top, drop_top),
        cmocka_unit_test_setup_teardown(reads_what_was_named_only, make_top, drop_top),
        cmocka_unit_test_setup_teardown(starts_no_program, make_top, drop_top),
        cmocka_unit_test_setup_teardown(memory_does_not_become_executable, make_top, drop_top),
        cmocka_unit_test_setup_teardown(sockets_of_few_families_and_ports, make_top, drop_top),
        cmocka_unit_test(root_becomes_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
