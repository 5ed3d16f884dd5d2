// SPDX-License-Identifier: MIT
#include "conversation.h"

#include "net/pdu.h"

#include <string.h>

static uint8_t *bytes_of(Conversation *talk, size_t i)
{
    return (uint8_t *)(uintptr_t)talk->pdus[i].p; /* they are the arena's, and ours */
}

static void exchange(Conversation *talk)
{
    size_t i = dice_below(&talk->dice, (unsigned)talk->count),
           k = dice_below(&talk->dice, (unsigned)talk->count);
    Span kept = talk->pdus[i];
    talk->pdus[i] = talk->pdus[k];
    talk->pdus[k] = kept;
}

static void lose(Conversation *talk)
{
    size_t i = dice_below(&talk->dice, (unsigned)talk->count);
    memmove(&talk->pdus[i], &talk->pdus[i + 1], (--talk->count - i) * sizeof *talk->pdus);
}

static void insert(Conversation *talk, Span pdu)
{
    size_t i = dice_below(&talk->dice, (unsigned)talk->count + 1), before = talk->count;
    conversation_say(talk, pdu);
    if (talk->count == before)
        return;
    Span said = talk->pdus[before];
    memmove(&talk->pdus[i + 1], &talk->pdus[i], (before - i) * sizeof *talk->pdus);
    talk->pdus[i] = said;
}

/* A PDU that is right in itself, where it may be wrong. */
static void interrupt(Conversation *talk)
{
    static const uint8_t types[] = {NET_A_ABORT,
                                    NET_A_RELEASE_RQ,
                                    NET_A_RELEASE_RP,
                                    NET_A_ASSOCIATE_RJ,
                                    NET_A_ASSOCIATE_AC,
                                    NET_A_ASSOCIATE_RQ,
                                    NET_P_DATA_TF,
                                    0x08,
                                    0x00,
                                    0xFF};
    static const uint32_t lengths[] = {0, 1, 2, 3, 68, 5000, 300000, 0x7FFFFFFF, UINT32_MAX};
    Dice *dice = &talk->dice;
    Buf pdu;
    buf_init(&pdu, 0);
    buf_u8(&pdu, types[dice_below(dice, sizeof types)]);
    buf_u8(&pdu, dice_once_in(dice, 10) ? 1 : 0);
    uint32_t n = dice_once_in(dice, 3) ? lengths[dice_below(dice, 9)] : 4;
    buf_u32be(&pdu, n);
    for (uint32_t i = 0; i < n && i < 5000; i++)
        buf_u8(&pdu, dice_once_in(dice, 4) ? (uint8_t)dice_roll(dice) : 0);
    insert(talk, buf_span(&pdu));
    buf_free(&pdu);
}

static void change_bytes(Conversation *talk)
{
    size_t i = dice_below(&talk->dice, (unsigned)talk->count);
    uint8_t *bytes = bytes_of(talk, i);
    for (unsigned n = 1 + dice_below(&talk->dice, 5); n && talk->pdus[i].n; n--) {
        size_t at = dice_below(&talk->dice, (unsigned)talk->pdus[i].n);
        if (dice_once_in(&talk->dice, 2))
            bytes[at] ^= (uint8_t)(1u << dice_below(&talk->dice, 8));
        else
            bytes[at] = (uint8_t)dice_roll(&talk->dice);
    }
}

/* A length, or whatever four bytes these are, becomes one that is nearly right, or huge. */
static void change_number(Conversation *talk)
{
    static const uint32_t huge[] = {0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, UINT32_MAX, UINT32_MAX - 5};
    size_t i = dice_below(&talk->dice, (unsigned)talk->count);
    if (talk->pdus[i].n < 6)
        return;
    bool header = dice_once_in(&talk->dice, 2);
    uint8_t *at = bytes_of(talk, i) + (header ? 2 : dice_below(&talk->dice, (unsigned)talk->pdus[i].n - 3));
    uint32_t value = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    value = dice_once_in(&talk->dice, 2) ? huge[dice_below(&talk->dice, 8)]
                                         : value + dice_below(&talk->dice, 9) - 4;
    for (int k = 3; k >= 0; k--, value >>= 8)
        at[k] = (uint8_t)value;
}

/* Bytes go, or come, and the length in front says so, or not. */
static void change_length(Conversation *talk)
{
    Dice *dice = &talk->dice;
    size_t i = dice_below(dice, (unsigned)talk->count);
    Span old = talk->pdus[i];
    if (old.n < NET_PDU_HEADER)
        return;
    size_t cut = dice_below(dice, (unsigned)old.n + 1),
           more = dice_once_in(dice, 2) ? dice_below(dice, 2000) : 0;
    Buf pdu;
    buf_init(&pdu, 0);
    buf_append_span(&pdu, span_sub(old, 0, cut));
    for (size_t k = 0; k < more; k++)
        buf_u8(&pdu, (uint8_t)dice_roll(dice));
    if (dice_once_in(dice, 2))
        buf_append_span(&pdu, span_sub(old, cut, SIZE_MAX));
    if (pdu.n >= NET_PDU_HEADER && !dice_once_in(dice, 3))
        for (int k = 0; k < 4; k++)
            pdu.p[2 + k] = (uint8_t)((pdu.n - NET_PDU_HEADER) >> (24 - 8 * k));
    talk->pdus[i] = arena_span(talk->arena, buf_span(&pdu));
    buf_free(&pdu);
}

static void end_early(Conversation *talk)
{
    size_t i = dice_below(&talk->dice, (unsigned)talk->count);
    talk->count = i + 1;
    talk->pdus[i] = span_sub(talk->pdus[i], 0, dice_below(&talk->dice, (unsigned)talk->pdus[i].n + 1));
}

static void say_again(Conversation *talk)
{
    insert(talk, talk->pdus[dice_below(&talk->dice, (unsigned)talk->count)]);
}

void conversation_spoil(Conversation *talk)
{
    static void (*const ways[])(Conversation *) = {exchange,      lose,         interrupt,
                                                   change_bytes,  change_bytes, change_number,
                                                   change_length, end_early,    say_again};
    /* Half of them stay as they are: what was said badly before must not keep good ones from being served. */
    for (unsigned n = dice_once_in(&talk->dice, 2) ? 1 + dice_below(&talk->dice, 4) : 0; n && talk->count;
         n--)
        ways[dice_below(&talk->dice, sizeof ways / sizeof *ways)](talk);
}
