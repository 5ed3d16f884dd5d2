// SPDX-License-Identifier: MIT
/*
 * One association that carries every verb, for trying what a peer can bear (`gantry load`): it can also misbehave, as broken peers and networks do.
 *
 * One thread uses an exercise at a time. What went wrong ends the association; the caller looks at scu_exercise_is_open and opens another one.
 */
#ifndef GANTRY_SCU_EXERCISE_H
#define GANTRY_SCU_EXERCISE_H

#include "scu/scu.h"

typedef struct ScuExercise ScuExercise;

typedef struct ScuKind {
    const char *sop_class, *transfer_syntax;
} ScuKind;

typedef struct ScuPlan {
    bool echo, store;
    unsigned verbs; /* bits of ScuVerb */
    const ScuKind
        *kinds; /* what is stored and what C-GET may bring: each in a context of its own, as many as fit */
    size_t kind_count;
} ScuPlan;

typedef enum ScuFault {
    SCU_NO_FAULT,
    SCU_ABORT,  /* A-ABORT in the middle of a message, or of the answers */
    SCU_DROP,   /* the connection is closed in the middle of a PDU, or of the answers */
    SCU_DEAF,   /* it is closed after the whole request, without waiting for an answer */
    SCU_DRIP,   /* the message comes in small pieces, spread over drip_ms; C-STORE and C-ECHO only */
    SCU_STATUS, /* objects of a C-GET are answered with a failure or a status that there is not; C-GET only */
} ScuFault;
enum { SCU_FAULT_COUNT = SCU_STATUS + 1 };

/* Connects and negotiates; NULL and err when the peer does not, or accepts nothing of it. */
ScuExercise *scu_exercise_open(const ScuPeer *peer, const ScuPlan *plan, ScuResult *result, Err *err);
bool scu_exercise_is_open(const ScuExercise *exercise);
void scu_exercise_close(ScuExercise *exercise); /* releases; NULL is fine */

/* The context in which objects of that kind go, its own transfer syntax first. NULL: not accepted. */
const NetAccepted *scu_exercise_context(const ScuExercise *exercise, const ScuKind *kind, bool any_syntax);

/* The verbs. With a fault that leaves no answer (abort, drop, deaf) they return true when the fault was committed. */
typedef struct ScuStore {
    const NetAccepted *context;
    const char *sop_class, *sop_instance;
    NetSource source;
    void *ctx;
    uint64_t bytes; /* how many the source has */
} ScuStore;
bool scu_exercise_store(ScuExercise *exercise, const ScuStore *store, ScuFault fault, int64_t drip_ms,
                        ScuResult *result, Err *err);
bool scu_exercise_echo(ScuExercise *exercise, ScuFault fault, int64_t drip_ms, ScuResult *result, Err *err);
/* For scu_find, scu_get and scu_move on this association. */
ScuQuery *scu_exercise_query(ScuExercise *exercise);
/* Sends the request and then aborts or drops at the first answer, or (deaf) at once. `destination` for C-MOVE. */
bool scu_exercise_break(ScuExercise *exercise, ScuVerb verb, ScuFault fault, DcmLevel level,
                        const DcmDataset *keys, const char *destination, Err *err);

#endif
