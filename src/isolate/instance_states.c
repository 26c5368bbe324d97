/* The table of an instance's states. Which event comes when: supply.c gives the sandbox, load.c
 * sends the code and hears how it started, death.c learns of the end. Calls may be added in every
 * state before DEAD; they wait until READY. */
#include "isolate/instance_states.h"

static const uint8_t next[INSTANCE_STATES_N][INSTANCE_EVENTS_N] = {
    [INSTANCE_READING] = {[INSTANCE_ON_NO_BOX] = ER_TO(INSTANCE_WAITING),
                          [INSTANCE_ON_BOX] = ER_TO(INSTANCE_SENDING),
                          [INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
    [INSTANCE_WAITING] = {[INSTANCE_ON_BOX] = ER_TO(INSTANCE_SENDING), [INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
    [INSTANCE_SENDING] = {[INSTANCE_ON_SENT] = ER_TO(INSTANCE_STARTING), [INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
    [INSTANCE_STARTING] = {[INSTANCE_ON_LOADED] = ER_TO(INSTANCE_READY),
                           [INSTANCE_ON_THREW] = ER_TO(INSTANCE_FAILED),
                           [INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
    [INSTANCE_READY] = {[INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
    [INSTANCE_FAILED] = {[INSTANCE_ON_DIED] = ER_TO(INSTANCE_DEAD)},
};

const er_states er_instance_states = ER_STATES_TABLE("instance", INSTANCE, ER_INSTANCE_STATES, ER_INSTANCE_EVENTS, next);
