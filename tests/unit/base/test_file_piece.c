// SPDX-License-Identifier: MIT
#include "base/file_piece.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 9 << 20, BEGIN = 12345 };

static int fd = -1;
static uint8_t *bytes;

static int make_file(void **state)
{
    char path[] = "/tmp/gantry-piece-XXXXXX";
    bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 11);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    return 0;
}

static int drop_file(void **state)
{
    close(fd);
    free(bytes);
    return 0;
}

/* The whole rest of the file in pieces, each compared; returns how many. */
static size_t read_in_pieces(size_t unit, FilePieceHow how)
{
    uint64_t at = BEGIN;
    size_t count = 0;
    while (at < SIZE) {
        Err err = {0};
        FilePiece piece;
        assert_true(file_piece_open(&piece, fd, at, SIZE - at, unit, how, &err));
        assert_true(piece.bytes.n > 0 && piece.bytes.n <= SIZE - at);
        assert_memory_equal(piece.bytes.p, bytes + at, piece.bytes.n);
        at += piece.bytes.n;
        assert_true(at == SIZE || piece.bytes.n % unit == 0);
        file_piece_close(&piece);
        count++;
    }
    assert_int_equal(at, SIZE);
    return count;
}

static void test_pieces(void **state)
{
    enum { PIECES_MAPPED = 3, PIECES_READ = 15 };
    assert_int_equal(read_in_pieces(1, FILE_PIECE_ANYHOW), PIECES_MAPPED);
    assert_int_equal(read_in_pieces(1, FILE_PIECE_OURS), PIECES_READ);
    read_in_pieces(131066, FILE_PIECE_ANYHOW);
    read_in_pieces(131066, FILE_PIECE_OURS);
    assert_int_equal(read_in_pieces(8 << 20, FILE_PIECE_ANYHOW), 2);
    assert_int_equal(read_in_pieces(8 << 20, FILE_PIECE_OURS), 2);
}

/* Only the first of several is mapped; when it is closed, the next may be. */
static void test_several_at_once(void **state)
{
    Err err = {0};
    FilePiece first, second, third;
    assert_true(file_piece_open(&first, fd, 0, SIZE, 1, FILE_PIECE_ANYHOW, &err));
    assert_true(file_piece_open(&second, fd, 1, SIZE - 1, 1, FILE_PIECE_ANYHOW, &err));
    assert_non_null(first.map);
    assert_null(second.map);
    assert_memory_equal(first.bytes.p, bytes, first.bytes.n);
    assert_memory_equal(second.bytes.p, bytes + 1, second.bytes.n);
    assert_int_equal(first.bytes.n, FILE_PIECE_MAPPED);
    assert_int_equal(second.bytes.n, FILE_PIECE_READ);
    assert_true(file_piece_open(&third, fd, 2, SIZE - 2, FILE_PIECE_READ + 1, FILE_PIECE_ANYHOW, &err));
    assert_non_null(third.map); /* more than a buffer holds */
    file_piece_close(&third);
    file_piece_close(&first);
    file_piece_close(&first);
    assert_true(file_piece_open(&third, fd, 0, SIZE, 1, FILE_PIECE_ANYHOW, &err));
    assert_non_null(third.map);
    file_piece_close(&second);
    file_piece_close(&third);
}

static void *read_all_in_pieces(void *ctx)
{
    read_in_pieces(1, FILE_PIECE_ANYHOW);
    return NULL;
}

static void test_threads(void **state)
{
    enum { THREADS = 12 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_in_pieces, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_nothing_and_little(void **state)
{
    Err err = {0};
    FilePiece piece;
    assert_true(file_piece_open(&piece, fd, BEGIN, 0, 7, FILE_PIECE_ANYHOW, &err));
    assert_int_equal(piece.bytes.n, 0);
    file_piece_close(&piece);
    assert_true(file_piece_open(&piece, fd, BEGIN, 1000, 7, FILE_PIECE_ANYHOW, &err));
    assert_null(piece.map); /* not worth it */
    assert_int_equal(piece.bytes.n, 1000);
    file_piece_close(&piece);
}

/* A file that ends too early, and one that cannot be read; what was mapped or taken is given back. */
static void test_failures(void **state)
{
    for (int how = FILE_PIECE_ANYHOW; how <= FILE_PIECE_OURS; how++) {
        Err err = {0};
        FilePiece piece;
        assert_false(file_piece_open(&piece, fd, SIZE - 100000, 100001, 1, (FilePieceHow)how, &err));
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.text, "shorter"));
        assert_null(piece.bytes.p);
        file_piece_close(&piece);
    }
    Err err = {0};
    FilePiece piece;
    assert_false(file_piece_open(&piece, -1, 0, SIZE, 1, FILE_PIECE_ANYHOW, &err));
    assert_non_null(strstr(err.text, "cannot read"));
    assert_true(file_piece_open(&piece, fd, 0, SIZE, 1, FILE_PIECE_ANYHOW, &err));
    assert_non_null(piece.map); /* none counts as mapped that failed */
    file_piece_close(&piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),   cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_nothing_and_little),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests_name("file_piece", tests, make_file, drop_file);
}
