/* What goes to a terminal (term.h): styles, texts of strangers made harmless, and the bytes
 * themselves. A text is made harmless where it is put into a buffer; buffers then hold what may be
 * written as it is. */
#include "cli/term.h"

#include "base/mem.h"
#include "cli/file.h"

#include <stdlib.h>
#include <unistd.h>

bool er_term_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	if (no != NULL && *no != 0)
		return false;
	return isatty(fd) && !(term != NULL && er_slice_eq(er_slice_cstr(term), ER_LIT("dumb")));
}

void er_term_put(er_buf *b, bool colour, er_style style, er_slice s)
{
	static const char *const on[ER_STYLE_COUNT_] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[36m"};
	ER_ASSERT((unsigned)style < ER_STYLE_COUNT_);
	colour = colour && style != ER_PLAIN;
	if (colour)
		er_buf_put_cstr(b, on[style]);
	er_buf_put(b, s);
	if (colour)
		er_buf_puts(b, "\033[0m");
}

/* Length of an SGR sequence at the front of s, or 0. */
static size_t sgr(er_slice s)
{
	if (!er_slice_starts(s, ER_LIT("\033[")))
		return 0;
	size_t n = 2;
	while (n < s.n && n < 32 && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == ';'))
		n++;
	return n < s.n && s.p[n] == 'm' ? n + 1 : 0;
}

void er_term_put_safe(er_buf *b, er_slice s, bool lines, bool colour)
{
	bool styled = false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		size_t n = colour && c == 033 ? sgr(er_slice_from(s, i)) : 0;
		/* U+0080 to U+009F are controls as well: C2 80 to C2 9F. */
		bool c1 = c == 0xc2 && i + 1 < s.n && s.p[i + 1] >= 0x80 && s.p[i + 1] < 0xa0;
		if (n) {
			er_buf_put(b, er_slice_of(s.p + i, n));
			i += n - 1;
			styled = true;
		} else if ((c < 0x20 && c != '\t' && !(lines && c == '\n')) || c == 0x7f || c1) {
			er_buf_printf(b, "\\x%02x", c1 ? s.p[i + 1] : c);
			i += c1;
		} else {
			er_buf_putc(b, c);
		}
	}
	/* A style that the text left on would colour everything behind it. */
	if (styled)
		er_buf_puts(b, "\033[0m");
}

void er_term_put_size(er_buf *b, uint64_t bytes)
{
	if (bytes < 1024)
		er_buf_printf(b, "%llu B", (unsigned long long)bytes);
	else
		er_buf_printf(b, "%.1f KB", (double)bytes / 1024);
}

bool er_term_flush(int fd, er_buf *b)
{
	ER_ASSERT(fd >= 0);
	bool ok = er_write_all(fd, er_buf_slice(b));
	er_buf_clear(b);
	return ok;
}
