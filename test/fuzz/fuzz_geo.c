/* A record of a database of places, of which the first byte says where it begins. What is found
 * lies in the bytes, and as lines it is lines of fields and nothing else. */
#include "base/mem.h"
#include "geo/place.h"
#include "geo/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data + 1, n - 1);
	er_slice section = er_slice_of(copy, n - 1);
	size_t offset = data[0] % n;
	er_record_value v;
	if (er_record_at(section, offset, &v))
		ER_ASSERT(v.bytes.n == 0 || (v.bytes.p >= copy && v.bytes.p + v.bytes.n <= copy + n - 1));
	(void)er_record_shallow(section, offset);
	er_geo_place place = {0};
	er_geo_place_read(&place, section, offset, "de");
	er_buf lines = {0};
	er_geo_place_write(&place, &lines);
	size_t count = 0;
	for (size_t i = 0; i < er_buf_len(&lines); i++)
		count += er_buf_slice(&lines).p[i] == '\n';
	ER_ASSERT(count % 2 == 0 && count <= 2 * (size_t)ER_PLACE_FIELDS_N && er_utf8_valid(er_buf_slice(&lines)));
	er_buf_fini(&lines);
	er_free(copy);
	return 0;
}
