/* What is known of where an address is: the fields that a routine reads as request.info and
 * request.cf. Pure. */
#ifndef ER_GEO_PLACE_H
#define ER_GEO_PLACE_H

#include "base/buf.h"
#include "base/err.h"

/* Field, and its name on the way to a routine (sandbox/js/client.js). Those without "Local" have
 * English names, those with it the names in the language that the operator has chosen. */
#define ER_PLACE_FIELDS(X) \
	X(COUNTRY, "country") /* ISO 3166-1, two letters */ \
	X(COUNTRY_NAME, "countryName") \
	X(COUNTRY_LOCAL, "countryLocal") \
	X(EU, "isEUCountry") /* "1", or missing */ \
	X(CONTINENT, "continent") \
	X(REGION, "region") \
	X(REGION_CODE, "regionCode") /* ISO 3166-2, without the country */ \
	X(REGION_LOCAL, "regionLocal") \
	X(CITY, "city") \
	X(CITY_ID, "cityId") /* GeoNames */ \
	X(CITY_LOCAL, "cityLocal") \
	X(LATITUDE, "latitude") \
	X(LONGITUDE, "longitude") \
	X(POSTAL, "postalCode") \
	X(TIMEZONE, "timezone") \
	X(METRO, "metroCode") \
	X(ASN, "asn") \
	X(AS_ORGANIZATION, "asOrganization") \
	X(ISP, "isp") \
	X(COLO, "colo") /* the operator's word for this node */

typedef enum er_geo_field {
#define X(name, key) ER_PLACE_##name,
	ER_PLACE_FIELDS(X)
#undef X
	    ER_PLACE_FIELDS_N
} er_geo_field;

enum { ER_PLACE_TEXT_MAX = 200 }; /* bytes of a value; longer ones are left out */

/* Empty: not known. The slices are borrowed from what was read, or lie in `room`, so that a place
 * is not moved. */
typedef struct er_geo_place {
	er_slice v[ER_PLACE_FIELDS_N];
	char room[ER_PLACE_FIELDS_N][24];
} er_geo_place;

/* Adds what a record (geo/record.h) says and the place does not have yet. `language`: of the local
 * names, as the database calls it ("zh-CN"). */
void er_geo_place_read(er_geo_place *p, er_slice data, size_t record, const char *language);
/* "name\nvalue\n" for each field that is known. */
void er_geo_place_write(const er_geo_place *p, er_buf *out);
/* The same of what a person says: "country=DE,city=Berlin". */
ER_MUST_CHECK bool er_geo_place_parse(er_slice text, er_buf *out, er_err *err);

#endif
