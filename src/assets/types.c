/* One look-up in a sorted table. */
#include "assets/types.h"

#include "base/mem.h"

typedef struct row {
	er_slice end, type;
} row;

static const row rows[] = {
#define X(end, type) {ER_LIT(end), ER_LIT(type)},
    ER_ASSETS_TYPES(X)
#undef X
};

enum { LONGEST = 16 };

/* What stands behind the last dot of the last segment, in lower case; empty: nothing, or more than
 * any row has. */
static er_slice end_of(er_slice path, uint8_t room[LONGEST])
{
	size_t at = path.n;
	while (at > 0 && path.p[at - 1] != '.' && path.p[at - 1] != '/')
		at--;
	size_t n = path.n - at;
	if (at == 0 || path.p[at - 1] != '.' || n > LONGEST)
		return (er_slice){0};
	er_append_lower(room, er_slice_of(path.p + at, n));
	return er_slice_of(room, n);
}

/* Text in UTF-8, by its type. JSON and XML say their encoding themselves. */
static er_slice with_charset(er_slice type)
{
	static const struct {
		er_slice bare, full;
	} known[] = {
#define T(name) {ER_LIT(name), ER_LIT(name "; charset=utf-8")}
	    T("text/html"),     T("text/css"),   T("text/javascript"), T("text/plain"),
	    T("text/markdown"), T("text/csv"),   T("text/calendar"),   T("text/vcard"),
	    T("text/vtt"),      T("text/x-tex"), T("text/x-vcard"),    T("text/tab-separated-values"),
#undef T
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (er_slice_eq(type, known[i].bare))
			return known[i].full;
	return type;
}

er_slice er_assets_type(er_slice path)
{
	uint8_t room[LONGEST];
	er_slice end = end_of(path, room);
	size_t low = 0, high = sizeof rows / sizeof *rows;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = er_slice_compare(rows[mid].end, end);
		if (order == 0)
			return with_charset(rows[mid].type);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return ER_LIT("application/octet-stream");
}
