// What kind of device a User-Agent speaks of: "mobile", "tablet", "desktop", "tv", "bot", or "" for
// one that says nothing of it. A guess: everybody may write what they like there. Only the
// beginning is looked at, and only for words.
import { lower, strIndexOf, strSlice } from './primordials.js';

const MOST = 512;
const BOT = ['crawl', 'spider', 'slurp', 'facebookexternalhit', 'mediapartners-google', 'headlesschrome', 'phantomjs', 'lighthouse', 'curl/', 'wget/', 'python-', 'go-http-client', 'libwww-perl', 'scrapy', 'apache-httpclient', 'node-fetch', 'axios/'];
const TV = ['smart-tv', 'smarttv', 'smart tv', 'googletv', 'google tv', 'android tv', 'appletv', 'apple tv', 'hbbtv', 'web0s', 'netcast', 'viera', 'bravia', 'roku', 'crkey', ' aft', 'tv safari', 'dtv'];
const TABLET = ['ipad', 'tablet', 'kindle', 'playbook', 'nexus 7', 'nexus 10'];
const MOBILE = ['iphone', 'ipod', 'windows phone', 'iemobile', 'blackberry', 'bb10', 'opera mini', 'opera mobi', 'kaios', 'mobile'];
const DESKTOP = ['windows', 'macintosh', 'x11', 'cros', 'linux'];

const any = (s, words) => {
	for (let i = 0; i < words.length; i++) if (strIndexOf(s, words[i]) >= 0) return true;
	return false;
};
/** "bot" at the end of a word, as in "Googlebot/2.1", but for the phones of that name. */
function namesBot(s) {
	for (let at = strIndexOf(s, 'bot'); at >= 0; at = strIndexOf(s, 'bot', at + 3)) {
		const next = s[at + 3];
		if ((next === undefined || next < 'a' || next > 'z') && strSlice(s, at > 1 ? at - 2 : 0, at) !== 'cu') return true;
	}
	return false;
}

export function deviceOf(userAgent) {
	if (userAgent === null || userAgent === undefined) return '';
	const s = lower(strSlice(userAgent, 0, MOST));
	if (namesBot(s) || any(s, BOT)) return 'bot';
	if (any(s, TV)) return 'tv';
	// "Tablet PC" is a word of Internet Explorer on desks.
	if (any(s, TABLET) && strIndexOf(s, 'tablet pc') < 0) return 'tablet';
	if (strIndexOf(s, 'android') >= 0) return strIndexOf(s, 'mobile') >= 0 || strIndexOf(s, 'dalvik') >= 0 ? 'mobile' : 'tablet';
	if (any(s, MOBILE)) return 'mobile';
	return any(s, DESKTOP) ? 'desktop' : '';
}
