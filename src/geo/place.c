/* The names of the records are those of MaxMind's databases (City, Country, ASN, ISP), which others
 * use as well. */
#include "geo/place.h"

#include "base/mem.h"
#include "geo/record.h"

#include <stdio.h>

enum { PATH_MAX_N = 5 };

typedef struct source {
	er_geo_field field;
	const char *path[PATH_MAX_N];
} source;

static const char *key_of(er_geo_field f)
{
	static const char *const keys[] = {
#define X(name, key) key,
	    ER_PLACE_FIELDS(X)
#undef X
	};
	ER_ASSERT(f < ER_PLACE_FIELDS_N);
	return keys[f];
}

static void put_text(er_geo_place *p, er_geo_field f, er_slice data, size_t record, const char *const *path)
{
	if (p->v[f].n == 0)
		p->v[f] = er_record_text(data, record, path, ER_PLACE_TEXT_MAX);
}

static void put_number(er_geo_place *p, er_geo_field f, er_slice data, size_t record, const char *const *path)
{
	uint64_t v;
	if (p->v[f].n > 0 || !er_record_u64(data, record, path, &v))
		return;
	int n = snprintf(p->room[f], sizeof p->room[f], "%llu", (unsigned long long)v);
	p->v[f] = er_slice_of(p->room[f], (size_t)n);
}

static void put_degrees(er_geo_place *p, er_geo_field f, er_slice data, size_t record, const char *const *path, double most)
{
	double v;
	if (p->v[f].n > 0 || !er_record_double(data, record, path, &v) || v < -most || v > most)
		return;
	int n = snprintf(p->room[f], sizeof p->room[f], "%.5f", v);
	p->v[f] = er_slice_of(p->room[f], (size_t)n);
}

static void read_texts(er_geo_place *p, er_slice data, size_t record)
{
	static const source texts[] = {
	    {ER_PLACE_COUNTRY, {"country", "iso_code"}},
	    {ER_PLACE_COUNTRY_NAME, {"country", "names", "en"}},
	    {ER_PLACE_CONTINENT, {"continent", "code"}},
	    {ER_PLACE_REGION, {"subdivisions", "0", "names", "en"}},
	    {ER_PLACE_REGION_CODE, {"subdivisions", "0", "iso_code"}},
	    {ER_PLACE_CITY, {"city", "names", "en"}},
	    {ER_PLACE_POSTAL, {"postal", "code"}},
	    {ER_PLACE_TIMEZONE, {"location", "time_zone"}},
	    {ER_PLACE_AS_ORGANIZATION, {"autonomous_system_organization"}},
	    {ER_PLACE_ISP, {"isp"}},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		put_text(p, texts[i].field, data, record, texts[i].path);
}

static void read_local(er_geo_place *p, er_slice data, size_t record, const char *language)
{
	put_text(p, ER_PLACE_COUNTRY_LOCAL, data, record, (const char *const[]){"country", "names", language, NULL});
	put_text(p, ER_PLACE_REGION_LOCAL, data, record, (const char *const[]){"subdivisions", "0", "names", language, NULL});
	put_text(p, ER_PLACE_CITY_LOCAL, data, record, (const char *const[]){"city", "names", language, NULL});
}

void er_geo_place_read(er_geo_place *p, er_slice data, size_t record, const char *language)
{
	read_texts(p, data, record);
	if (!er_slice_eq(er_slice_cstr(language), ER_LIT("en")))
		read_local(p, data, record, language);
	put_number(p, ER_PLACE_CITY_ID, data, record, (const char *const[]){"city", "geoname_id", NULL});
	put_number(p, ER_PLACE_METRO, data, record, (const char *const[]){"location", "metro_code", NULL});
	put_number(p, ER_PLACE_ASN, data, record, (const char *const[]){"autonomous_system_number", NULL});
	put_degrees(p, ER_PLACE_LATITUDE, data, record, (const char *const[]){"location", "latitude", NULL}, 90);
	put_degrees(p, ER_PLACE_LONGITUDE, data, record, (const char *const[]){"location", "longitude", NULL}, 180);
	if (er_record_true(data, record, (const char *const[]){"country", "is_in_european_union", NULL}))
		p->v[ER_PLACE_EU] = ER_LIT("1");
}

static void put_line(er_buf *out, er_geo_field f, er_slice value)
{
	er_buf_put_cstr(out, key_of(f));
	er_buf_putc(out, '\n');
	er_buf_put(out, value);
	er_buf_putc(out, '\n');
}

void er_geo_place_write(const er_geo_place *p, er_buf *out)
{
	for (er_geo_field f = 0; f < ER_PLACE_FIELDS_N; f++)
		if (p->v[f].n > 0)
			put_line(out, f, p->v[f]);
}

static bool find_field(er_slice key, er_geo_field *out)
{
	for (*out = 0; *out < ER_PLACE_FIELDS_N; (*out)++)
		if (er_slice_eq(er_slice_cstr(key_of(*out)), key))
			return true;
	return false;
}

static bool value_ok(er_slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return value.n > 0 && value.n <= ER_PLACE_TEXT_MAX && er_utf8_valid(value);
}

bool er_geo_place_parse(er_slice text, er_buf *out, er_err *err)
{
	er_geo_place p = {0};
	er_slice one;
	er_geo_field f;
	while (er_slice_split(&text, ',', &one)) {
		size_t at = er_slice_find(one, '=');
		er_slice key = er_slice_trim(er_slice_head(one, at)), value = er_slice_trim(er_slice_from(one, at + 1));
		if (!find_field(key, &f))
			return er_fail(err, ER_ERR_INVALID,
			               "\"%.*s\" is no field of a place; they are country, countryName, isEUCountry, continent, region, "
			               "regionCode, city, cityId, latitude, longitude, postalCode, timezone, metroCode, asn, asOrganization, "
			               "isp, colo, and countryLocal, regionLocal, cityLocal",
			               ER_FMT(er_slice_head(key, 40)));
		if (!value_ok(value))
			return er_fail(err, ER_ERR_INVALID, "%s has no value; write %s=VALUE", key_of(f), key_of(f));
		p.v[f] = value;
	}
	er_geo_place_write(&p, out);
	return true;
}
