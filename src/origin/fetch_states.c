/* The tables of a fetch's states. er_fetch_enter (fetch_notes.c) is the only function that
 * moves a fetch.
 *
 * There are four tables because four things move independently of each other:
 *
 *   self    what was decided. Only fetch.c moves it, outside of a library's callbacks. ASKING ->
 *           LEAVING -> ASKING ... for each redirect, ASKING -> DECIDED -> ANSWERED for the answer
 *           that is handed on. OVER follows from each of them, once.
 *   hop     what the transport has noted of the answer. It moves inside of callbacks, too, and may
 *           run ahead of what was decided: a small answer is WHOLE before its head is looked at.
 *           UNSENT -> SENT -> BODY -> WHOLE; CUT or FAILED where it goes wrong. It begins again for
 *           the next hop, and for a second attempt by another transport.
 *   flow    the reader's room moves by what the reader does, the transport's waiting by what the
 *           transport was told. HELD outlives FULL until `advance` (fetch.c) resumes it.
 *   upload  the upload's end has nothing to do with the answer's: a server may answer in the middle
 *           of an upload, and an upload may end long before the answer.
 *
 * Two of them are tied together by er_fetch_states_fit: nothing is decided about an answer whose
 * head has not come whole. */
#include "origin/fetch_states.h"

static const uint8_t fetch_next[FETCH_STATES_N][FETCH_EVENTS_N] = {
    [FETCH_ASKING] = {[FETCH_ON_REDIRECT] = ER_TO(FETCH_LEAVING),
                      [FETCH_ON_DECIDE] = ER_TO(FETCH_DECIDED),
                      [FETCH_ON_FAIL] = ER_TO(FETCH_OVER),
                      [FETCH_ON_CANCEL] = ER_TO(FETCH_OVER)},
    [FETCH_LEAVING] =
        {[FETCH_ON_NEXT] = ER_TO(FETCH_ASKING), [FETCH_ON_FAIL] = ER_TO(FETCH_OVER), [FETCH_ON_CANCEL] = ER_TO(FETCH_OVER)},
    [FETCH_DECIDED] =
        {[FETCH_ON_ANSWER] = ER_TO(FETCH_ANSWERED), [FETCH_ON_FAIL] = ER_TO(FETCH_OVER), [FETCH_ON_CANCEL] = ER_TO(FETCH_OVER)},
    [FETCH_ANSWERED] =
        {[FETCH_ON_COMPLETE] = ER_TO(FETCH_OVER), [FETCH_ON_FAIL] = ER_TO(FETCH_OVER), [FETCH_ON_CANCEL] = ER_TO(FETCH_OVER)},
};

static const uint8_t hop_next[HOP_STATES_N][HOP_EVENTS_N] = {
    [HOP_UNSENT] = {[HOP_ON_CONNECTED] = ER_TO(HOP_SENT), [HOP_ON_BREAK] = ER_TO(HOP_FAILED), [HOP_ON_AGAIN] = ER_TO(HOP_UNSENT)},
    [HOP_SENT] = {[HOP_ON_HEAD] = ER_TO(HOP_BODY), [HOP_ON_BREAK] = ER_TO(HOP_FAILED), [HOP_ON_AGAIN] = ER_TO(HOP_UNSENT)},
    [HOP_BODY] = {[HOP_ON_END] = ER_TO(HOP_WHOLE), [HOP_ON_BREAK] = ER_TO(HOP_CUT), [HOP_ON_NEXT] = ER_TO(HOP_UNSENT)},
    [HOP_WHOLE] = {[HOP_ON_NEXT] = ER_TO(HOP_UNSENT)},
    [HOP_CUT] = {[HOP_ON_NEXT] = ER_TO(HOP_UNSENT)},
};

static const uint8_t flow_next[FLOW_STATES_N][FLOW_EVENTS_N] = {
    [FLOW_FREE] = {[FLOW_ON_FULL] = ER_TO(FLOW_FULL), [FLOW_ON_HOLD] = ER_TO(FLOW_HELD), [FLOW_ON_NEXT] = ER_TO(FLOW_FREE)},
    [FLOW_FULL] = {[FLOW_ON_ROOM] = ER_TO(FLOW_FREE), [FLOW_ON_HOLD] = ER_TO(FLOW_FULL_HELD)},
    [FLOW_HELD] =
        {[FLOW_ON_FULL] = ER_TO(FLOW_FULL_HELD), [FLOW_ON_RESUME] = ER_TO(FLOW_FREE), [FLOW_ON_NEXT] = ER_TO(FLOW_FREE)},
    [FLOW_FULL_HELD] = {[FLOW_ON_ROOM] = ER_TO(FLOW_HELD)},
};

static const uint8_t upload_next[FETCH_UPLOAD_STATES_N][FETCH_UPLOAD_EVENTS_N] = {
    [FETCH_UPLOAD_NONE] = {[FETCH_UPLOAD_ON_BODY] = ER_TO(FETCH_UPLOAD_SENDING)},
    [FETCH_UPLOAD_SENDING] =
        {[FETCH_UPLOAD_ON_REPEAT] = ER_TO(FETCH_UPLOAD_REPEATS), [FETCH_UPLOAD_ON_DROP] = ER_TO(FETCH_UPLOAD_NONE)},
    [FETCH_UPLOAD_REPEATS] =
        {[FETCH_UPLOAD_ON_REWIND] = ER_TO(FETCH_UPLOAD_SENDING), [FETCH_UPLOAD_ON_DROP] = ER_TO(FETCH_UPLOAD_NONE)},
};

static const er_states self = ER_STATES_TABLE("fetch", FETCH, ER_FETCH_STATES, ER_FETCH_EVENTS, fetch_next);
static const er_states hop = ER_STATES_TABLE("fetch's hop", HOP, ER_HOP_STATES, ER_HOP_EVENTS, hop_next);
static const er_states flow = ER_STATES_TABLE("fetch's flow", FLOW, ER_FLOW_STATES, ER_FLOW_EVENTS, flow_next);
static const er_states upload =
    ER_STATES_TABLE("fetch's upload", FETCH_UPLOAD, ER_FETCH_UPLOAD_STATES, ER_FETCH_UPLOAD_EVENTS, upload_next);

const er_states *const er_fetch_parts[FETCH_PARTS_N] = {
    [FETCH_SELF] = &self, [FETCH_HOP] = &hop, [FETCH_FLOW] = &flow, [FETCH_UPLOAD] = &upload};

#define BIT(state) (1U << (state))

bool er_fetch_states_fit(er_fetch_state of_self, er_hop_state of_hop)
{
	static const uint8_t hops[] = {
	    [FETCH_ASKING] = BIT(HOP_STATES_N) - 1,
	    [FETCH_LEAVING] = BIT(HOP_BODY) | BIT(HOP_WHOLE) | BIT(HOP_CUT),
	    [FETCH_DECIDED] = BIT(HOP_BODY) | BIT(HOP_WHOLE),
	    [FETCH_ANSWERED] = BIT(HOP_BODY) | BIT(HOP_WHOLE) | BIT(HOP_CUT),
	    [FETCH_OVER] = BIT(HOP_STATES_N) - 1,
	};
	_Static_assert(sizeof hops == FETCH_STATES_N, "a row for each state");
	ER_ASSERT(of_self < FETCH_STATES_N && of_hop < HOP_STATES_N);
	return hops[of_self] & BIT(of_hop);
}
