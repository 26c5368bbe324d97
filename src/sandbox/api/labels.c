/* The Encoding Standard's table of labels, as it stands there, with the name that ICU has for each
 * encoding, and two that ICU lacks as tables of their own. Searched one after the other: it is done
 * once for a decoder, and never for plain UTF-8. */
#include "sandbox/api/labels.h"

#include "base/mem.h"

static const er_encoding encodings[] = {
    {"utf-8", ER_ENC_UTF8, NULL, "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"},
    {"ibm866", ER_ENC_ICU, "ibm-866_P100-1995", "866 cp866 csibm866 ibm866"},
    {"iso-8859-2", ER_ENC_ICU, "ISO-8859-2",
     "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"},
    {"iso-8859-3", ER_ENC_ICU, "ISO-8859-3",
     "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"},
    {"iso-8859-4", ER_ENC_ICU, "ISO-8859-4",
     "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"},
    {"iso-8859-5", ER_ENC_ICU, "ISO-8859-5",
     "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988"},
    {"iso-8859-6", ER_ENC_ICU, "ISO-8859-6",
     "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 "
     "iso8859-6 "
     "iso88596 iso_8859-6 iso_8859-6:1987"},
    {"iso-8859-7", ER_ENC_ICU, "ISO-8859-7",
     "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 "
     "sun_eu_greek"},
    {"iso-8859-8", ER_ENC_ICU, "ISO-8859-8",
     "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 "
     "visual"},
    {"iso-8859-8-i", ER_ENC_ICU, "ISO-8859-8", "csiso88598i iso-8859-8-i logical"},
    {"iso-8859-10", ER_ENC_ICU, "ISO-8859-10", "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6"},
    {"iso-8859-13", ER_ENC_ICU, "ISO-8859-13", "iso-8859-13 iso8859-13 iso885913"},
    {"iso-8859-14", ER_ENC_ICU, "ISO-8859-14", "iso-8859-14 iso8859-14 iso885914"},
    {"iso-8859-15", ER_ENC_ICU, "ISO-8859-15", "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9"},
    {"iso-8859-16", ER_ENC_LATIN10, NULL, "iso-8859-16"},
    {"koi8-r", ER_ENC_ICU, "KOI8-R", "cskoi8r koi koi8 koi8-r koi8_r"},
    {"koi8-u", ER_ENC_ICU, "KOI8-U", "koi8-ru koi8-u"},
    {"macintosh", ER_ENC_ICU, "macintosh", "csmacintosh mac macintosh x-mac-roman"},
    {"windows-874", ER_ENC_ICU, "windows-874-2000", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874"},
    {"windows-1250", ER_ENC_ICU, "windows-1250", "cp1250 windows-1250 x-cp1250"},
    {"windows-1251", ER_ENC_ICU, "windows-1251", "cp1251 windows-1251 x-cp1251"},
    {"windows-1252", ER_ENC_ICU, "windows-1252",
     "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 "
     "l1 "
     "latin1 us-ascii windows-1252 x-cp1252"},
    {"windows-1253", ER_ENC_ICU, "windows-1253", "cp1253 windows-1253 x-cp1253"},
    {"windows-1254", ER_ENC_ICU, "windows-1254",
     "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254"},
    {"windows-1255", ER_ENC_ICU, "windows-1255", "cp1255 windows-1255 x-cp1255"},
    {"windows-1256", ER_ENC_ICU, "windows-1256", "cp1256 windows-1256 x-cp1256"},
    {"windows-1257", ER_ENC_ICU, "windows-1257", "cp1257 windows-1257 x-cp1257"},
    {"windows-1258", ER_ENC_ICU, "windows-1258", "cp1258 windows-1258 x-cp1258"},
    {"x-mac-cyrillic", ER_ENC_ICU, "x-mac-cyrillic", "x-mac-cyrillic x-mac-ukrainian"},
    {"gbk", ER_ENC_ICU, "gb18030", "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk"},
    {"gb18030", ER_ENC_ICU, "gb18030", "gb18030"},
    {"big5", ER_ENC_ICU, "Big5-HKSCS", "big5 big5-hkscs cn-big5 csbig5 x-x-big5"},
    {"euc-jp", ER_ENC_ICU, "euc-jp-2007", "cseucpkdfmtjapanese euc-jp x-euc-jp"},
    {"iso-2022-jp", ER_ENC_ISO2022JP, "euc-jp-2007", "csiso2022jp iso-2022-jp"},
    {"shift_jis", ER_ENC_ICU, "ibm-943_P15A-2003", "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis"},
    {"euc-kr", ER_ENC_ICU, "windows-949",
     "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949"},
    {"replacement", ER_ENC_REPLACEMENT, NULL, "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement"},
    {"utf-16be", ER_ENC_UTF16BE, NULL, "unicodefffe utf-16be"},
    {"utf-16le", ER_ENC_UTF16LE, NULL, "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"},
    {"x-user-defined", ER_ENC_USER, NULL, "x-user-defined"},
};

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

const er_encoding *er_encoding_find(er_slice label)
{
	while (label.n && is_space(label.p[0]))
		label = er_slice_from(label, 1);
	while (label.n && is_space(label.p[label.n - 1]))
		label.n--;
	for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
		er_slice rest = er_slice_cstr(encodings[i].labels), one;
		while (er_slice_split(&rest, ' ', &one))
			if (er_slice_ieq(one, label))
				return &encodings[i];
	}
	return NULL;
}

uint16_t er_encoding_high(const er_encoding *e, uint8_t byte)
{
	/* ISO-8859-16 where it differs from ISO-8859-1, as pairs of byte and character. */
	static const uint16_t latin10[][2] = {
	    {0xA1, 0x0104}, {0xA2, 0x0105}, {0xA3, 0x0141}, {0xA4, 0x20AC}, {0xA5, 0x201E}, {0xA6, 0x0160}, {0xA8, 0x0161},
	    {0xAA, 0x0218}, {0xAC, 0x0179}, {0xAE, 0x017A}, {0xAF, 0x017B}, {0xB2, 0x010C}, {0xB3, 0x0142}, {0xB4, 0x017D},
	    {0xB5, 0x201D}, {0xB8, 0x017E}, {0xB9, 0x010D}, {0xBA, 0x0219}, {0xBC, 0x0152}, {0xBD, 0x0153}, {0xBE, 0x0178},
	    {0xBF, 0x017C}, {0xC3, 0x0102}, {0xC5, 0x0106}, {0xD0, 0x0110}, {0xD1, 0x0143}, {0xD5, 0x0150}, {0xD7, 0x015A},
	    {0xD8, 0x0170}, {0xDD, 0x0118}, {0xDE, 0x021A}, {0xE3, 0x0103}, {0xE5, 0x0107}, {0xF0, 0x0111}, {0xF1, 0x0144},
	    {0xF5, 0x0151}, {0xF7, 0x015B}, {0xF8, 0x0171}, {0xFD, 0x0119}, {0xFE, 0x021B},
	};
	ER_ASSERT(byte >= 0x80 && (e->kind == ER_ENC_USER || e->kind == ER_ENC_LATIN10));
	if (e->kind == ER_ENC_USER)
		return (uint16_t)(0xF780 + byte - 0x80);
	for (size_t i = 0; i < sizeof latin10 / sizeof *latin10; i++)
		if (latin10[i][0] == byte)
			return latin10[i][1];
	return byte;
}

uint16_t er_encoding_mended(const er_encoding *e, uint8_t byte)
{
	static const struct {
		const char *name;
		uint8_t from, to;
		uint16_t character;
	} mends[] = {
	    {"windows-874", 0xDB, 0xDE, 0xFFFD},  {"windows-874", 0xFC, 0xFF, 0xFFFD}, {"windows-1253", 0xAA, 0xAA, 0xFFFD},
	    {"windows-1255", 0xCA, 0xCA, 0x05BA}, {"gb18030", 0x80, 0x80, 0x20AC},     {"gbk", 0x80, 0x80, 0x20AC},
	};
	for (size_t i = 0; i < sizeof mends / sizeof *mends; i++)
		if (byte >= mends[i].from && byte <= mends[i].to && er_slice_eq(er_slice_cstr(mends[i].name), er_slice_cstr(e->name)))
			return mends[i].character;
	return 0;
}
