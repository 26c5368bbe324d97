/* Headers: a block of fields ("name\nvalue\n" for each, names in lower case) is a string in
 * JavaScript, and is searched and changed here, where it lies.
 *
 * A block is what goes over the ring as well, so that the headers of a request that nobody looks
 * into cost nothing. A change makes a new string; the old one stays what it was. The natives take
 * the strings as Latin-1, for values may have any byte from 80 on. They hold the text only for the
 * length of the call. */
#include "sandbox/api/api.h"

#include "base/buf.h"

/* The next field, and where it begins. */
typedef struct field {
	const uint8_t *start;
	er_slice name, value;
} field;

static bool next_field(er_slice *rest, field *f)
{
	if (rest->n == 0)
		return false;
	f->start = rest->p;
	size_t n = er_slice_find(*rest, '\n');
	f->name = er_slice_head(*rest, n);
	*rest = er_slice_from(*rest, n + 1);
	size_t v = er_slice_find(*rest, '\n');
	f->value = er_slice_head(*rest, v);
	*rest = er_slice_from(*rest, v + 1);
	return true;
}

/* The next field of that name. */
static bool find(er_slice *rest, er_slice name, field *f)
{
	while (next_field(rest, f))
		if (er_slice_eq(f->name, name))
			return true;
	return false;
}

static bool block_has(er_slice block, er_slice name)
{
	field f;
	return find(&block, name, &f);
}

/* A native's arguments: block, name, value. */
enum { BLOCK, NAME, VALUE, ARGS };
typedef struct texts {
	er_text text[ARGS];
	unsigned n;
} texts;

static void texts_fini(texts *t)
{
	while (t->n > 0)
		er_text_fini(&t->text[--t->n]);
}

static bool texts_of(texts *t, const er_value given[], unsigned wanted, er_value *exception)
{
	static_assert(BLOCK == 0 && NAME == 1 && VALUE == 2 && ARGS == 3, "the places of the arguments");
	ER_ASSERT(wanted <= ARGS);
	for (t->n = 0; t->n < wanted; t->n++) {
		if (er_js_bytestring_arg(given[t->n], &t->text[t->n], exception))
			continue;
		texts_fini(t);
		return false;
	}
	return true;
}

static er_slice text(const texts *t, unsigned i)
{
	ER_ASSERT(i < t->n);
	return er_text_slice(&t->text[i]);
}

/* The values of that name, combined (RFC 9110 5.3; RFC 6265 5.4 for cookies), or null. */
ER_NATIVE(fieldsGet)
{
	texts t;
	if (!texts_of(&t, (const er_value[]){a->block, a->name}, VALUE, exception))
		return NULL;
	er_slice rest = text(&t, BLOCK), name = text(&t, NAME);
	field f;
	er_value v;
	if (!find(&rest, name, &f)) {
		v = er_js_null();
	} else {
		er_slice first = f.value;
		if (!find(&rest, name, &f)) {
			v = er_js_latin1(first);
		} else {
			er_slice between = er_slice_eq(name, ER_LIT("cookie")) ? ER_LIT("; ") : ER_LIT(", ");
			er_buf b;
			er_buf_init(&b);
			er_buf_put(&b, first);
			do {
				er_buf_put(&b, between);
				er_buf_put(&b, f.value);
			} while (find(&rest, name, &f));
			v = er_js_latin1(er_buf_slice(&b));
			er_buf_fini(&b);
		}
	}
	texts_fini(&t);
	return v;
}

/* The block without what has that name, and with `value`, if there is one, where the first of them
 * was. */
static void put_changed(er_buf *out, er_slice block, er_slice name, const er_slice *value)
{
	er_slice rest = block;
	const uint8_t *from = block.p;
	bool placed = value == NULL;
	field f;
	while (find(&rest, name, &f)) {
		const uint8_t *to = placed ? f.start : f.value.p;
		er_buf_put(out, er_slice_of(from, (size_t)(to - from)));
		if (!placed) {
			er_buf_put(out, *value);
			er_buf_putc(out, '\n');
			placed = true;
		}
		from = rest.p;
	}
	ER_ASSERT(from >= block.p && from <= block.p + block.n);
	er_buf_put(out, er_slice_of(from, (size_t)(block.p + block.n - from)));
	if (!placed) {
		er_buf_put(out, name);
		er_buf_putc(out, '\n');
		er_buf_put(out, *value);
		er_buf_putc(out, '\n');
	}
}

/* `args`: with a value or without. */
static er_value changed(const er_value given[], unsigned args, er_value *exception)
{
	texts t;
	if (!texts_of(&t, given, args, exception))
		return NULL;
	er_slice block = text(&t, BLOCK), name = text(&t, NAME), value = args > VALUE ? text(&t, VALUE) : (er_slice){0};
	er_value v;
	if (args <= VALUE && !block_has(block, name)) {
		v = given[BLOCK];
	} else {
		er_buf b;
		er_buf_init(&b);
		er_buf_reserve(&b, block.n + name.n + value.n + 2);
		put_changed(&b, block, name, args > VALUE ? &value : NULL);
		v = er_js_latin1(er_buf_slice(&b));
		er_buf_fini(&b);
	}
	texts_fini(&t);
	return v;
}

ER_NATIVE(fieldsSet)
{
	return changed((const er_value[]){a->block, a->name, a->value}, ARGS, exception);
}

ER_NATIVE(fieldsDelete)
{
	return changed((const er_value[]){a->block, a->name}, VALUE, exception);
}
