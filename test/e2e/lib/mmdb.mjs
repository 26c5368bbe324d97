// Writes databases in MaxMind's format ("MaxMind DB File Format Specification", version 2.0): a
// binary search tree of addresses, the data that its leaves point to, and metadata.

const bytes = (n, length) => { const b = Buffer.alloc(length); b.writeUIntBE(n, 0, length); return b }

/** A number that becomes an unsigned integer of the format's type. */
export class Uint {
	constructor(value, type = 6) { Object.assign(this, { value, type }) }
}

/** The control byte and what follows it of the size. */
function head(type, size) {
	const first = type > 7 ? 0 : type << 5, extended = type > 7 ? Buffer.of(type - 7) : Buffer.alloc(0)
	const [low, more] = size < 29 ? [size, Buffer.alloc(0)] : size < 285 ? [29, bytes(size - 29, 1)] : size < 65821 ? [30, bytes(size - 285, 2)] : [31, bytes(size - 65821, 3)]
	return Buffer.concat([Buffer.of(first | low), extended, more])
}
export function encode(v) {
	if (typeof v === 'string') { const b = Buffer.from(v); return Buffer.concat([head(2, b.length), b]) }
	if (typeof v === 'boolean') return head(14, v ? 1 : 0)
	if (v instanceof Uint) {
		let b = bytes(v.value, 6)
		while (b.length && b[0] === 0) b = b.subarray(1)
		return Buffer.concat([head(v.type, b.length), b])
	}
	if (typeof v === 'number') { const b = Buffer.alloc(8); b.writeDoubleBE(v); return Buffer.concat([head(3, 8), b]) }
	if (Buffer.isBuffer(v)) return v // already encoded
	if (Array.isArray(v)) return Buffer.concat([head(11, v.length), ...v.map(encode)])
	const entries = Object.entries(v)
	return Buffer.concat([head(7, entries.length), ...entries.flatMap(([k, value]) => [encode(k), encode(value)])])
}

/** The bits of "192.0.2.0/24" or "2001:db8::/32". */
function prefix(network, version) {
	const [address, length] = network.split('/')
	let bits
	if (address.includes(':')) {
		const [left, right] = address.split('::').map(s => (s ? s.split(':') : []))
		const groups = right === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
		bits = groups.map(g => parseInt(g, 16).toString(2).padStart(16, '0')).join('')
		return bits.slice(0, +(length ?? 128))
	}
	bits = address.split('.').map(n => (+n).toString(2).padStart(8, '0')).join('').slice(0, +(length ?? 32))
	return version === 6 ? '0'.repeat(96) + bits : bits
}

/** networks: { "192.0.2.0/24": record }. */
export function mmdb(networks, { type = 'Test-City', version = 6, built = Math.floor(Date.now() / 1000) - 3600, languages = ['en'], metadata = {} } = {}) {
	const tree = [[null, null]], data = []
	let size = 0
	for (const [network, record] of Object.entries(networks)) {
		const encoded = encode(record)
		const leaf = { at: size }
		data.push(encoded)
		size += encoded.length
		const bits = prefix(network, version)
		let node = tree[0]
		for (const [i, bit] of [...bits].entries()) {
			if (i === bits.length - 1) node[bit] = leaf
			else {
				if (!Array.isArray(node[bit])) tree.push((node[bit] = [null, null]))
				node = node[bit]
			}
		}
	}
	const number = new Map(tree.map((n, i) => [n, i]))
	const value = child => (child === null ? tree.length : Array.isArray(child) ? number.get(child) : tree.length + 16 + child.at)
	const nodes = Buffer.concat(tree.flatMap(n => n.map(child => bytes(value(child), 4))))
	const about = {
		node_count: new Uint(tree.length), record_size: new Uint(32, 5), ip_version: new Uint(version, 5), database_type: type, languages,
		binary_format_major_version: new Uint(2, 5), binary_format_minor_version: new Uint(0, 5), build_epoch: new Uint(built, 9), description: { en: 'of a test' }, ...metadata,
	}
	return Buffer.concat([nodes, Buffer.alloc(16), ...data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), encode(about)])
}

/** A record as of GeoLite2-City. */
export const berlin = {
	city: { geoname_id: new Uint(2950159), names: { de: 'Berlin', en: 'Berlin', 'zh-CN': '柏林' } },
	continent: { code: 'EU', names: { en: 'Europe' } },
	country: { geoname_id: new Uint(2921044), is_in_european_union: true, iso_code: 'DE', names: { de: 'Deutschland', en: 'Germany', 'zh-CN': '德国' } },
	location: { accuracy_radius: new Uint(100, 5), latitude: 52.52437, longitude: 13.41053, time_zone: 'Europe/Berlin' },
	postal: { code: '10178' },
	subdivisions: [{ geoname_id: new Uint(2950157), iso_code: 'BE', names: { de: 'Land Berlin', en: 'State of Berlin', 'zh-CN': '柏林州' } }],
}
export const telekom = { autonomous_system_number: new Uint(3320), autonomous_system_organization: 'Deutsche Telekom AG' }
