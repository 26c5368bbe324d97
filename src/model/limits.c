/* The tables of limits as rows, and what is done with limits of a routine and a node's maximum. */
#include "model/limits.h"

#include "base/mem.h"

#include <stddef.h>

const er_limit *er_limits_rows(size_t *n)
{
	static const er_limit rows[] = {
#define X(name_, normal_, least_, most_, node, unit_, member, meaning_) \
	{.name = ER_LIT(#name_), \
	 .normal = (normal_), \
	 .least = (least_), \
	 .most = (most_), \
	 .unit = (unit_), \
	 .offset = offsetof(er_limits, member), \
	 .size = sizeof(uint32_t), \
	 .meaning = (meaning_)},
	    ER_LIMITS_TABLE(X)
#undef X
	};
	*n = sizeof rows / sizeof *rows;
	return rows;
}

const er_limit *er_gateway_limits_rows(size_t *n)
{
	static const er_limit rows[] = {
#define X(name_, normal_, least_, most_, type, member, meaning_) \
	{.name = ER_LIT(#name_), \
	 .normal = (normal_), \
	 .least = (least_), \
	 .most = (most_), \
	 .unit = 1, \
	 .offset = offsetof(er_gateway_limits, member), \
	 .size = sizeof(type), \
	 .meaning = (meaning_)},
	    ER_GATEWAY_LIMITS_TABLE(X)
#undef X
	};
	*n = sizeof rows / sizeof *rows;
	return rows;
}

uint64_t er_limit_get(const er_limit *row, const void *limits)
{
	const void *at = (const uint8_t *)limits + row->offset;
	return (row->size == sizeof(uint64_t) ? *(const uint64_t *)at : *(const uint32_t *)at) / row->unit;
}

void er_limit_set(const er_limit *row, void *limits, uint64_t value)
{
	void *at = (uint8_t *)limits + row->offset;
	ER_ASSERT(row->size == sizeof(uint64_t) || value * row->unit <= UINT32_MAX);
	if (row->size == sizeof(uint64_t))
		*(uint64_t *)at = value * row->unit;
	else
		*(uint32_t *)at = (uint32_t)(value * row->unit);
}

const er_limit *er_limits_above(const er_limits *l, const er_limits *most)
{
	size_t n;
	const er_limit *rows = er_limits_rows(&n);
	for (size_t i = 0; i < n; i++)
		if (er_limit_get(&rows[i], l) > er_limit_get(&rows[i], most))
			return &rows[i];
	return NULL;
}

bool er_limits_lower(er_limits *l, const er_limits *most)
{
	const er_limit *above;
	bool lowered = false;
	while ((above = er_limits_above(l, most)) != NULL) {
		er_limit_set(above, l, er_limit_get(above, most));
		lowered = true;
	}
	return lowered;
}

bool er_limits_raise(er_limits *most, const er_limits *l)
{
	const er_limit *above;
	bool raised = false;
	while ((above = er_limits_above(l, most)) != NULL) {
		er_limit_set(above, most, er_limit_get(above, l));
		raised = true;
	}
	return raised;
}

void er_limits_lower_defaults(er_limits *l, const er_limits *most)
{
	size_t n;
	const er_limit *rows = er_limits_rows(&n);
	for (size_t i = 0; i < n; i++)
		if (er_limit_get(&rows[i], l) == rows[i].normal && er_limit_get(&rows[i], most) < rows[i].normal)
			er_limit_set(&rows[i], l, er_limit_get(&rows[i], most));
}
