/* The natives as a table, made of the contract: er_engine_start makes a function of each and hangs
 * it under its name into `er`. It stands here and not in engine.c so that the engine's files call
 * nothing in api/: calls go from here down to the engine, and up only through this table. */
#include "sandbox/engine.h"

const er_native er_api_natives[] = {
#define X(name, args) ER_NATIVE_AS(#name, er_native_##name),
    ER_NATIVE_TABLE(X)
#undef X
};
