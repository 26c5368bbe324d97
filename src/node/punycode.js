// node:punycode.
import punycode from 'punycode/';
export const { version, ucs2, decode, encode, toASCII, toUnicode } = punycode;
export default punycode;
