// SPDX-License-Identifier: MIT
/*
 * PS3.8 §9.2. `actions` is tables 9-6 to 9-9: what each action does and where it leads. `cells` is table 9-10: a row per event, a column per
 * state, NONE where the standard has a blank.
 *
 * A blank for a local primitive means that the user may not do that now (NET_DO_ILLEGAL). The blanks for PDUs are Sta1 and Sta4, where
 * there is no connection a PDU could come from: they are illegal too.
 */
#include "net/machine.h"

#include <stddef.h>

typedef enum Action {
    NONE,
    AE_1,
    AE_2,
    AE_3,
    AE_4,
    AE_5,
    AE_6,
    AE_7,
    AE_8,
    DT_1,
    DT_2,
    AR_1,
    AR_2,
    AR_3,
    AR_4,
    AR_5,
    AR_6,
    AR_7,
    AR_8,
    AR_9,
    AR_10,
    AA_1,
    AA_2,
    AA_3,
    AA_4,
    AA_5,
    AA_6,
    AA_7,
    AA_8,
    ACTION_COUNT
} Action;

typedef struct ActionRow {
    unsigned what;
    NetState next; /* 0: the state stays */
} ActionRow;

static const ActionRow actions[ACTION_COUNT] = {
    [NONE] = {NET_DO_ILLEGAL, 0},
    [AE_1] = {NET_DO_CONNECT, NET_STA4_AWAIT_CONNECTION},
    [AE_2] = {NET_DO_SEND, NET_STA5_AWAIT_ASSOCIATE_ANSWER},
    [AE_3] = {NET_DO_INDICATE, NET_STA6_ESTABLISHED},
    [AE_4] = {NET_DO_INDICATE | NET_DO_CLOSE, NET_STA1_IDLE},
    [AE_5] = {NET_DO_START_ARTIM, NET_STA2_AWAIT_ASSOCIATE_RQ},
    /* A request that the provider cannot accept is refused by the owner's NET_EV_REJECT, which sends the same PDU. */
    [AE_6] = {NET_DO_STOP_ARTIM | NET_DO_INDICATE, NET_STA3_AWAIT_LOCAL_ANSWER},
    [AE_7] = {NET_DO_SEND, NET_STA6_ESTABLISHED},
    [AE_8] = {NET_DO_SEND | NET_DO_START_ARTIM, NET_STA13_AWAIT_CLOSE},
    [DT_1] = {NET_DO_SEND, NET_STA6_ESTABLISHED},
    [DT_2] = {NET_DO_INDICATE, NET_STA6_ESTABLISHED},
    [AR_1] = {NET_DO_SEND, NET_STA7_AWAIT_RELEASE_RP},
    [AR_2] = {NET_DO_INDICATE, NET_STA8_AWAIT_LOCAL_RELEASE},
    [AR_3] = {NET_DO_INDICATE | NET_DO_CLOSE, NET_STA1_IDLE},
    [AR_4] = {NET_DO_SEND_RELEASE_RP | NET_DO_START_ARTIM, NET_STA13_AWAIT_CLOSE},
    [AR_5] = {NET_DO_STOP_ARTIM, NET_STA1_IDLE},
    [AR_6] = {NET_DO_INDICATE, NET_STA7_AWAIT_RELEASE_RP},
    [AR_7] = {NET_DO_SEND, NET_STA8_AWAIT_LOCAL_RELEASE},
    [AR_8] = {NET_DO_INDICATE, 0}, /* Sta9 or Sta10, by role */
    [AR_9] = {NET_DO_SEND_RELEASE_RP, NET_STA11_COLLISION_REQUESTOR_RP},
    [AR_10] = {NET_DO_INDICATE, NET_STA12_COLLISION_ACCEPTOR_LOCAL},
    [AA_1] = {NET_DO_SEND_ABORT | NET_DO_START_ARTIM, NET_STA13_AWAIT_CLOSE},
    [AA_2] = {NET_DO_STOP_ARTIM | NET_DO_CLOSE, NET_STA1_IDLE},
    [AA_3] = {NET_DO_INDICATE_ABORT | NET_DO_CLOSE, NET_STA1_IDLE},
    [AA_4] = {NET_DO_INDICATE_ABORT, NET_STA1_IDLE},
    [AA_5] = {NET_DO_STOP_ARTIM, NET_STA1_IDLE},
    [AA_6] = {NET_DO_IGNORE, NET_STA13_AWAIT_CLOSE},
    [AA_7] = {NET_DO_SEND_ABORT, NET_STA13_AWAIT_CLOSE},
    [AA_8] = {NET_DO_SEND_ABORT | NET_DO_INDICATE_ABORT | NET_DO_START_ARTIM, NET_STA13_AWAIT_CLOSE},
};

/* clang-format off */
static const uint8_t cells[NET_EVENT_COUNT][13] = {
    /*                             Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10  Sta11 Sta12 Sta13 */
    [NET_EV_ASSOCIATE_REQUEST]   = {AE_1, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_CONNECTED]           = {NONE, NONE, NONE, AE_2, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_PDU_ASSOCIATE_AC]    = {NONE, AA_1, AA_8, NONE, AE_3, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6},
    [NET_EV_PDU_ASSOCIATE_RJ]    = {NONE, AA_1, AA_8, NONE, AE_4, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6},
    [NET_EV_ACCEPTED_CONNECTION] = {AE_5, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_PDU_ASSOCIATE_RQ]    = {NONE, AE_6, AA_8, NONE, AA_8, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_7},
    [NET_EV_ACCEPT]              = {NONE, NONE, AE_7, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_REJECT]              = {NONE, NONE, AE_8, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_PDATA_REQUEST]       = {NONE, NONE, NONE, NONE, NONE, DT_1, NONE, AR_7, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_PDU_PDATA]           = {NONE, AA_1, AA_8, NONE, AA_8, DT_2, AR_6, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6},
    [NET_EV_RELEASE_REQUEST]     = {NONE, NONE, NONE, NONE, NONE, AR_1, NONE, NONE, NONE, NONE,  NONE, NONE, NONE},
    [NET_EV_PDU_RELEASE_RQ]      = {NONE, AA_1, AA_8, NONE, AA_8, AR_2, AR_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6},
    [NET_EV_PDU_RELEASE_RP]      = {NONE, AA_1, AA_8, NONE, AA_8, AA_8, AR_3, AA_8, AA_8, AR_10, AR_3, AA_8, AA_6},
    [NET_EV_RELEASE_RESPONSE]    = {NONE, NONE, NONE, NONE, NONE, NONE, NONE, AR_4, AR_9, NONE,  NONE, AR_4, NONE},
    [NET_EV_ABORT_REQUEST]       = {NONE, NONE, AA_1, AA_2, AA_1, AA_1, AA_1, AA_1, AA_1, AA_1,  AA_1, AA_1, NONE},
    [NET_EV_PDU_ABORT]           = {NONE, AA_2, AA_3, NONE, AA_3, AA_3, AA_3, AA_3, AA_3, AA_3,  AA_3, AA_3, AA_2},
    [NET_EV_CLOSED]              = {NONE, AA_5, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4,  AA_4, AA_4, AR_5},
    [NET_EV_ARTIM]               = {NONE, AA_2, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, AA_2},
    [NET_EV_PDU_INVALID]         = {NONE, AA_1, AA_8, NONE, AA_8, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_7},
};
/* clang-format on */

void net_machine_init(NetMachine *machine, bool requestor)
{
    *machine = (NetMachine){.state = NET_STA1_IDLE, .requestor = requestor};
}

unsigned net_machine_event(NetMachine *machine, NetEvent event)
{
    Action action = (Action)cells[event][machine->state - 1];
    if (actions[action].next)
        machine->state = actions[action].next;
    if (action == AR_8)
        machine->state =
            machine->requestor ? NET_STA9_COLLISION_REQUESTOR_LOCAL : NET_STA10_COLLISION_ACCEPTOR_RP;
    return actions[action].what;
}

const char *net_state_name(NetState state)
{
    static const char *const names[] = {
        "?",
        "Sta1 (idle)",
        "Sta2 (awaiting A-ASSOCIATE-RQ)",
        "Sta3 (awaiting local answer)",
        "Sta4 (connecting)",
        "Sta5 (awaiting A-ASSOCIATE-AC or -RJ)",
        "Sta6 (established)",
        "Sta7 (awaiting A-RELEASE-RP)",
        "Sta8 (awaiting local release)",
        "Sta9 (release collision, requestor, awaiting local release)",
        "Sta10 (release collision, acceptor, awaiting A-RELEASE-RP)",
        "Sta11 (release collision, requestor, awaiting A-RELEASE-RP)",
        "Sta12 (release collision, acceptor, awaiting local release)",
        "Sta13 (awaiting close)",
    };
    return names[(size_t)state < sizeof names / sizeof *names ? (size_t)state : 0];
}

const char *net_event_name(NetEvent event)
{
    static const char *const names[NET_EVENT_COUNT] = {
        "A-ASSOCIATE request", "transport connected", "A-ASSOCIATE-AC",    "A-ASSOCIATE-RJ",
        "transport accepted",  "A-ASSOCIATE-RQ",      "A-ASSOCIATE yes",   "A-ASSOCIATE no",
        "P-DATA request",      "P-DATA-TF",           "A-RELEASE request", "A-RELEASE-RQ",
        "A-RELEASE-RP",        "A-RELEASE response",  "A-ABORT request",   "A-ABORT",
        "transport closed",    "ARTIM expired",       "invalid PDU",
    };
    return (unsigned)event < NET_EVENT_COUNT ? names[event] : "?";
}
