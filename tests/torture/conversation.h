// SPDX-License-Identifier: MIT
/*
 * What one peer says to a DICOM server, from the first byte of its connection to the last: a conversation as PS3.7 and PS3.8 want it, then spoiled. The same seed makes
 * the same conversation.
 */
#ifndef GANTRY_TESTS_TORTURE_CONVERSATION_H
#define GANTRY_TESTS_TORTURE_CONVERSATION_H

#include "base/arena.h"
#include "base/buf.h"

enum { CONVERSATION_MAX_PDUS = 1024, CONVERSATION_BYTES = 256 * 1024 };

typedef struct Dice {
    uint64_t state;
} Dice;

uint64_t dice_roll(Dice *dice);
/* 0 … n-1 */
unsigned dice_below(Dice *dice, unsigned n);
/* True once in n. */
bool dice_once_in(Dice *dice, unsigned n);

/* How the peer goes when it has said everything. */
typedef enum Farewell { LEAVE_HALF_CLOSED, LEAVE_CLOSED, LEAVE_RESET, LEAVE_FAREWELLS } Farewell;

typedef struct Conversation {
    Arena *arena;
    Dice dice;
    Span pdus[CONVERSATION_MAX_PDUS]; /* bytes in the arena, to be spoiled in place; not always whole PDUs */
    size_t count, bytes;
    bool listens; /* reads what is answered before it goes on, otherwise says all at once */
    size_t piece; /* bytes a write; 0 = a PDU */
    Farewell farewell;
} Conversation;

/* In the arena. */
void conversation_make(Conversation *talk, Arena *arena, uint64_t seed);
/* PDUs lost, doubled, exchanged, cut, lengthened, bytes changed. */
void conversation_spoil(Conversation *talk);
/* One more PDU; dropped when there is no room. */
void conversation_say(Conversation *talk, Span pdu);

#endif
