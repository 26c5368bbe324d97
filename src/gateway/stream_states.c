/* The two tables of a stream. stream.c makes all moves: on the session's calls (head, upload, the
 * taking of the answer), on the handler's answer, and on what the readers of bodies do. */
#include "gateway/stream_states.h"

static const uint8_t next[STREAM_STATES_N][STREAM_EVENTS_N] = {
    [STREAM_EMPTY] = {[STREAM_ON_HEAD] = ER_TO(STREAM_ASKED),
                      [STREAM_ON_ANSWER] = ER_TO(STREAM_ANSWERED), /* what was read is no request */
                      [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
    [STREAM_ASKED] = {[STREAM_ON_START] = ER_TO(STREAM_OPEN),
                      [STREAM_ON_ANSWER] = ER_TO(STREAM_ANSWERED),
                      [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
    [STREAM_OPEN] = {[STREAM_ON_ANSWER] = ER_TO(STREAM_ANSWERED),
                     [STREAM_ON_BREAK] = ER_TO(STREAM_BROKEN), /* before its head */
                     [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
    [STREAM_ANSWERED] =
        {[STREAM_ON_ALL] = ER_TO(STREAM_SENT), [STREAM_ON_BREAK] = ER_TO(STREAM_BROKEN), [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
    [STREAM_SENT] = {[STREAM_ON_OVER] = ER_TO(STREAM_EMPTY), [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
    [STREAM_BROKEN] = {[STREAM_ON_OVER] = ER_TO(STREAM_EMPTY), [STREAM_ON_GONE] = ER_TO(STREAM_EMPTY)},
};

static const uint8_t upload_next[UPLOAD_STATES_N][UPLOAD_EVENTS_N] = {
    [UPLOAD_NONE] = {[UPLOAD_ON_BEGIN] = ER_TO(UPLOAD_READ),
                     [UPLOAD_ON_BARE] = ER_TO(UPLOAD_UNWANTED),
                     [UPLOAD_ON_END] = ER_TO(UPLOAD_COMPLETE)}, /* what was read is no request */
    [UPLOAD_READ] = {[UPLOAD_ON_FILL] = ER_TO(UPLOAD_FULL),
                     [UPLOAD_ON_CANCEL] = ER_TO(UPLOAD_UNWANTED),
                     [UPLOAD_ON_END] = ER_TO(UPLOAD_COMPLETE)},
    [UPLOAD_FULL] = {[UPLOAD_ON_RESUME] = ER_TO(UPLOAD_READ),
                     [UPLOAD_ON_CANCEL] = ER_TO(UPLOAD_UNWANTED),
                     [UPLOAD_ON_END] = ER_TO(UPLOAD_COMPLETE)},
    [UPLOAD_UNWANTED] = {[UPLOAD_ON_END] = ER_TO(UPLOAD_COMPLETE)},
    [UPLOAD_COMPLETE] = {[UPLOAD_ON_NEXT] = ER_TO(UPLOAD_NONE),
                         [UPLOAD_ON_END] = ER_TO(UPLOAD_COMPLETE),
                         [UPLOAD_ON_SWITCH] = ER_TO(UPLOAD_READ)},
};

const er_states er_stream_states = ER_STATES_TABLE("stream", STREAM, ER_STREAM_STATES, ER_STREAM_EVENTS, next);
const er_states er_upload_states = ER_STATES_TABLE("upload", UPLOAD, ER_UPLOAD_STATES, ER_UPLOAD_EVENTS, upload_next);
