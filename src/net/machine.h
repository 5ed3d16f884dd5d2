// SPDX-License-Identifier: MIT
/*
 * The upper-layer state machine, PS3.8 §9.2 (tables 9-6 to 9-10): states Sta1 to Sta13, events, actions. No socket, no clock: the owner
 * feeds events and carries out the actions that come back. Every (state, event) pair of table 9-10 is one cell here.
 */
#ifndef GANTRY_NET_MACHINE_H
#define GANTRY_NET_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum NetState {
    NET_STA1_IDLE = 1,
    NET_STA2_AWAIT_ASSOCIATE_RQ,
    NET_STA3_AWAIT_LOCAL_ANSWER,
    NET_STA4_AWAIT_CONNECTION,
    NET_STA5_AWAIT_ASSOCIATE_ANSWER,
    NET_STA6_ESTABLISHED,
    NET_STA7_AWAIT_RELEASE_RP,
    NET_STA8_AWAIT_LOCAL_RELEASE,
    NET_STA9_COLLISION_REQUESTOR_LOCAL,
    NET_STA10_COLLISION_ACCEPTOR_RP,
    NET_STA11_COLLISION_REQUESTOR_RP,
    NET_STA12_COLLISION_ACCEPTOR_LOCAL,
    NET_STA13_AWAIT_CLOSE
} NetState;

typedef enum NetEvent {
    NET_EV_ASSOCIATE_REQUEST,
    NET_EV_CONNECTED,
    NET_EV_PDU_ASSOCIATE_AC,
    NET_EV_PDU_ASSOCIATE_RJ,
    NET_EV_ACCEPTED_CONNECTION,
    NET_EV_PDU_ASSOCIATE_RQ,
    NET_EV_ACCEPT,
    NET_EV_REJECT,
    NET_EV_PDATA_REQUEST,
    NET_EV_PDU_PDATA,
    NET_EV_RELEASE_REQUEST,
    NET_EV_PDU_RELEASE_RQ,
    NET_EV_PDU_RELEASE_RP,
    NET_EV_RELEASE_RESPONSE,
    NET_EV_ABORT_REQUEST,
    NET_EV_PDU_ABORT,
    NET_EV_CLOSED,
    NET_EV_ARTIM,
    NET_EV_PDU_INVALID,
    NET_EVENT_COUNT
} NetEvent;

/* What the owner must do, as bits, in this order of execution. */
typedef enum NetAction {
    NET_DO_CONNECT = 1 << 0,
    NET_DO_SEND = 1 << 1 /* the PDU that belongs to the event */,
    NET_DO_SEND_ABORT = 1 << 2,
    NET_DO_SEND_RELEASE_RP = 1 << 3,
    NET_DO_INDICATE = 1 << 4 /* tell the user: the event is its business */,
    NET_DO_INDICATE_ABORT = 1 << 5,
    NET_DO_START_ARTIM = 1 << 6,
    NET_DO_STOP_ARTIM = 1 << 7,
    NET_DO_CLOSE = 1 << 8,
    NET_DO_IGNORE = 1 << 9,
    NET_DO_ILLEGAL = 1 << 10 /* a local primitive that this state does not allow: nothing changes */
} NetAction;

typedef struct NetMachine {
    NetState state;
    bool requestor;
} NetMachine;

void net_machine_init(NetMachine *machine, bool requestor);
/* Takes the event, changes the state, returns the actions (bits of NetAction). */
unsigned net_machine_event(NetMachine *machine, NetEvent event);
const char *net_state_name(NetState state);
const char *net_event_name(NetEvent event);

#endif
