/* Headers: a block of fields ("name\nvalue\n" for each, names in lower case) is a string in JavaScript, and is searched and changed here, where it lies. */
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

typedef struct texts {
	er_text block, name, value;
	unsigned n;
} texts;

static void texts_fini(texts *t)
{
	er_text *const all[] = {&t->block, &t->name, &t->value};
	while (t->n > 0)
		er_text_fini(all[--t->n]);
}

static bool texts_of(texts *t, size_t argc, const er_value argv[], unsigned wanted, er_value *exception)
{
	er_text *const all[] = {&t->block, &t->name, &t->value};
	for (t->n = 0; t->n < wanted; t->n++) {
		if (er_js_bytestring_arg(t->n < argc ? argv[t->n] : NULL, all[t->n], exception))
			continue;
		texts_fini(t);
		return false;
	}
	return true;
}

/* er.fieldsGet(block, name) → the values of that name, combined (RFC 9110 5.3; RFC 6265 5.4 for cookies), or null */
ER_NATIVE(n_get)
{
	texts t;
	if (!texts_of(&t, argc, argv, 2, exception))
		return NULL;
	er_slice rest = er_text_slice(&t.block), name = er_text_slice(&t.name);
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

/* The block without what has that name, and with `value`, if there is one, where the first of them was. */
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
	er_buf_put(out, er_slice_of(from, (size_t)(block.p + block.n - from)));
	if (!placed) {
		er_buf_put(out, name);
		er_buf_putc(out, '\n');
		er_buf_put(out, *value);
		er_buf_putc(out, '\n');
	}
}

static er_value changed(size_t argc, const er_value argv[], const texts *t, bool with_value)
{
	er_slice block = er_text_slice(&t->block), rest = block, name = er_text_slice(&t->name), value = {0};
	field f;
	if (with_value)
		value = er_text_slice(&t->value);
	else if (!find(&rest, name, &f))
		return argc > 0 ? argv[0] : er_js_undefined();
	er_buf b;
	er_buf_init(&b);
	er_buf_reserve(&b, block.n + name.n + value.n + 2);
	put_changed(&b, block, name, with_value ? &value : NULL);
	er_value v = er_js_latin1(er_buf_slice(&b));
	er_buf_fini(&b);
	return v;
}

/* er.fieldsSet(block, name, value) → block */
ER_NATIVE(n_set)
{
	texts t;
	if (!texts_of(&t, argc, argv, 3, exception))
		return NULL;
	er_value v = changed(argc, argv, &t, true);
	texts_fini(&t);
	return v;
}

/* er.fieldsDelete(block, name) → block */
ER_NATIVE(n_delete)
{
	texts t;
	if (!texts_of(&t, argc, argv, 2, exception))
		return NULL;
	er_value v = changed(argc, argv, &t, false);
	texts_fini(&t);
	return v;
}

const er_native er_api_fields[] = {ER_NATIVE_AS("fieldsGet", n_get), ER_NATIVE_AS("fieldsSet", n_set),
                                   ER_NATIVE_AS("fieldsDelete", n_delete), ER_NATIVES_END};
