/* A table of the names that mean something to a tokenizer, found by their numbers: a hash table
 * with open addressing, filled at the first question. */
#include "sandbox/api/html_names.h"

#include "base/mem.h"

enum { SLOTS = 512, PACKED_MAX = 12, BITS = 5, LETTERS_FROM = 6 };
static const er_html_name HASHED = UINT64_C(1) << 63;

static er_html_name hash_of(er_slice name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ er_lower(name.p[i])) * UINT64_C(0x100000001b3);
	return h | HASHED;
}

er_html_name er_html_name_of(er_slice name)
{
	uint64_t v = 0;
	/* A digit at the beginning would be lost: it is a zero. */
	if (name.n == 0 || name.n > PACKED_MAX || !er_html_is_letter(name.p[0]))
		return hash_of(name);
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (er_html_is_letter(c))
			v = v << BITS | (uint64_t)((c | 0x20) - 'a' + LETTERS_FROM);
		else if (c >= '1' && c <= '6')
			v = v << BITS | (uint64_t)(c - '1');
		else
			return hash_of(name);
	}
	return v;
}
static_assert(PACKED_MAX * BITS < 63, "a packed name leaves the highest bit alone");

static const struct {
	const char *names; /* separated by spaces */
	unsigned trait;
} TRAITS[] = {
    {"area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr", ER_HTML_VOID},
    {"b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta nobr ol p "
     "pre ruby s small span strong strike sub sup table tt u ul var",
     ER_HTML_BREAKOUT},
    {"foreignobject desc title", ER_HTML_SVG_HTML},
    {"mi mo mn ms mtext", ER_HTML_MATHML_TEXT},
    {"textarea title", ER_HTML_IS_RCDATA},
    {"style xmp iframe noembed noframes noscript", ER_HTML_IS_RAWTEXT},
    {"script", ER_HTML_IS_SCRIPT},
    {"plaintext", ER_HTML_IS_PLAINTEXT},
    {"svg", ER_HTML_IS_SVG},
    {"math", ER_HTML_IS_MATH},
    {"font", ER_HTML_IS_FONT},
    {"annotation-xml", ER_HTML_IS_ANNOTATION},
    {"mglyph malignmark", ER_HTML_IS_GLYPH},
    {"address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 "
     "h5 h6 header hgroup hr li listing main menu nav ol p plaintext pre search section summary table ul xmp",
     ER_HTML_CLOSES_P},
    {"address applet area article aside base basefont bgsound blockquote body br button caption center col colgroup dd details "
     "dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html "
     "iframe img input keygen li link listing main marquee menu meta nav noembed noframes noscript object ol p param plaintext "
     "pre script search section select source style summary table tbody td template textarea tfoot th thead title tr track ul "
     "wbr xmp",
     ER_HTML_SPECIAL},
    {"a b big code em font i nobr s small strike strong tt u", ER_HTML_FORMATS},
    {"applet caption marquee object table td template th", ER_HTML_SCOPE},
    {"ol ul", ER_HTML_IS_LIST},
    {"button", ER_HTML_IS_BUTTON},
    {"body html", ER_HTML_IS_BODY},
    {"p", ER_HTML_IS_P},
    {"li", ER_HTML_IS_LI},
    {"dd dt", ER_HTML_IS_DD},
    {"option", ER_HTML_IS_OPTION},
    {"optgroup", ER_HTML_IS_OPTGROUP},
    {"rb rp rt", ER_HTML_IS_RUBY},
    {"td th", ER_HTML_IS_CELL},
    {"tr", ER_HTML_IS_ROW},
    {"tbody tfoot thead", ER_HTML_IS_ROWS},
    {"caption colgroup", ER_HTML_IS_CAPTION},
    {"head", ER_HTML_IS_HEAD},
};

typedef struct slot {
	er_html_name name; /* 0: free */
	unsigned traits;
} slot;
static slot slots[SLOTS];
static bool filled;

static slot *slot_of(er_html_name name)
{
	size_t at = (size_t)((name * UINT64_C(0x9e3779b97f4a7c15)) >> 55);
	static_assert(SLOTS == 1 << (64 - 55), "the upper bits say the place");
	while (slots[at].name != 0 && slots[at].name != name)
		at = (at + 1) % SLOTS;
	return &slots[at];
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof TRAITS / sizeof *TRAITS; i++) {
		er_slice rest = er_slice_cstr(TRAITS[i].names), name;
		while (er_slice_split(&rest, ' ', &name)) {
			er_html_name number = er_html_name_of(name);
			slot *s = slot_of(number);
			s->name = number;
			s->traits |= TRAITS[i].trait;
		}
	}
	filled = true;
}

unsigned er_html_traits_of(er_html_name name)
{
	if (__builtin_expect(!filled, 0))
		fill();
	return slot_of(name)->traits;
}

er_slice er_html_raw_name(er_html_name name)
{
	static const unsigned RAW = ER_HTML_IS_RCDATA | ER_HTML_IS_RAWTEXT | ER_HTML_IS_SCRIPT;
	for (size_t i = 0; i < sizeof TRAITS / sizeof *TRAITS; i++) {
		er_slice rest = er_slice_cstr(TRAITS[i].names), one;
		while ((TRAITS[i].trait & RAW) != 0 && er_slice_split(&rest, ' ', &one))
			if (er_html_name_of(one) == name)
				return one;
	}
	ER_ASSERT(!"the name of such an element");
	return (er_slice){NULL, 0};
}
