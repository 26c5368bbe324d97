// What is known of the client: event.info, request.info and request.cf. The node sends it with the
// request as lines; nothing of it becomes an object before somebody asks.
import * as er from './natives.js';
import { TypeErr, defineProperty, freeze, strSplit } from './primordials.js';
import { deviceOf } from './device.js';

/** The node's block: name → text. */
function factsOf(scope) {
	const block = scope.over ? undefined : er.reqInfo(scope.id);
	if (block === undefined) throw new TypeErr('What is known of the client belongs to a request that is over; keep what you need of it');
	const list = strSplit(block, '\n');
	const facts = { __proto__: null };
	for (let i = 0; i + 1 < list.length; i += 2) facts[list[i]] = list[i + 1];
	return facts;
}
/** What is not known is not there. */
function put(to, name, value) {
	if (value !== undefined && value !== '') defineProperty(to, name, { value, enumerable: true });
}
function named(to, name, local, id, english) {
	put(to, name, local ?? english);
	put(to, `${name}_id`, id);
	put(to, `${name}_en`, english);
}

/** event.info and request.info, by EdgeRoutine's names. */
export function infoOf(scope) {
	if (scope.info === undefined) {
		const f = factsOf(scope), info = {};
		put(info, 'remote_addr', f.remote_addr);
		put(info, 'scheme', f.scheme);
		put(info, 'detector_device', deviceOf(er.fieldsGet(er.reqBlock(scope.id), 'user-agent')));
		named(info, 'ip_country', f.countryLocal, f.country, f.countryName);
		named(info, 'ip_region', f.regionLocal, f.country === undefined || f.regionCode === undefined ? undefined : `${f.country}-${f.regionCode}`, f.region);
		named(info, 'ip_city', f.cityLocal, f.cityId, f.city);
		named(info, 'ip_isp', undefined, f.asn, f.isp ?? f.asOrganization);
		scope.info = freeze(info);
	}
	return scope.info;
}

const CF = ['colo', 'country', 'isEUCountry', 'city', 'continent', 'latitude', 'longitude', 'postalCode', 'metroCode', 'region', 'regionCode', 'timezone', 'asn', 'asOrganization', 'httpProtocol'];
/** request.cf: the same by Cloudflare's names. */
export function cfOf(scope) {
	if (scope.cf === undefined) {
		const f = factsOf(scope), cf = {};
		for (let i = 0; i < CF.length; i++) put(cf, CF[i], CF[i] === 'asn' && f.asn !== undefined ? +f.asn : f[CF[i]]);
		scope.cf = freeze(cf);
	}
	return scope.cf;
}
