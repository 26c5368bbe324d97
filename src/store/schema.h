/* The three databases. A step that was released is never edited: databases out there went through
 * it. */
#ifndef ER_STORE_SCHEMA_H
#define ER_STORE_SCHEMA_H

#include "store/db.h"

extern const er_schema er_schema_control; /* control.db */
extern const er_schema er_schema_kv;      /* kv.db */
extern const er_schema er_schema_assets;  /* assets.db */

#endif
