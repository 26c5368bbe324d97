/* The table of an HTTP/1 session. h1_session.c makes all moves. */
#include "gateway/h1_session_states.h"

static const uint8_t next[H1_STATES_N][H1_EVENTS_N] = {
    [H1_OPEN] = {[H1_ON_SWITCH] = ER_TO(H1_SWITCHED),
                 [H1_ON_UNREAD] = ER_TO(H1_DRAIN),
                 [H1_ON_NO_MORE] = ER_TO(H1_LAST),
                 [H1_ON_CLOSE] = ER_TO(H1_CLOSED)},
    [H1_SWITCHED] = {[H1_ON_NO_MORE] = ER_TO(H1_LAST), [H1_ON_CLOSE] = ER_TO(H1_CLOSED)},
    [H1_DRAIN] = {[H1_ON_READ] = ER_TO(H1_OPEN), [H1_ON_SHUT] = ER_TO(H1_LINGER), [H1_ON_CLOSE] = ER_TO(H1_CLOSED)},
    [H1_LAST] = {[H1_ON_SHUT] = ER_TO(H1_LINGER), [H1_ON_CLOSE] = ER_TO(H1_CLOSED)},
    [H1_LINGER] = {[H1_ON_CLOSE] = ER_TO(H1_CLOSED)},
};

const er_states er_h1_session_states = ER_STATES_TABLE("session", H1, ER_H1_SESSION_STATES, ER_H1_SESSION_EVENTS, next);
