// A PNG of one bit for a pixel. Its data is a zlib stream of blocks that are stored and not compressed: it needs no compressor,
// and a QR code has little to compress.

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
	let c = n;
	for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
	return c;
});

export function png(cells: boolean[][], scale: number): Uint8Array<ArrayBuffer> {
	const side = cells.length * scale;
	const stride = 1 + Math.ceil(side / 8); // a filter byte, then the pixels
	const pixels = new Uint8Array(side * stride);
	cells.forEach((row, cy) => {
		const line = new Uint8Array(stride);
		for (let x = 0; x < side; x++) if (!row[Math.floor(x / scale)]) line[1 + (x >> 3)] |= 0x80 >> (x & 7); // 1 is white
		for (let y = cy * scale; y < (cy + 1) * scale; y++) pixels.set(line, y * stride);
	});
	const header = new Uint8Array(13);
	new DataView(header.buffer).setUint32(0, side);
	new DataView(header.buffer).setUint32(4, side);
	header[8] = 1; // bits; colour type 0 is grey
	return join([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), chunk("IHDR", header), chunk("IDAT", stored(pixels)), chunk("IEND", new Uint8Array(0))]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
	const out = new Uint8Array(12 + data.length);
	const view = new DataView(out.buffer);
	view.setUint32(0, data.length);
	for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
	out.set(data, 8);
	let crc = 0xffffffff;
	for (let i = 4; i < 8 + data.length; i++) crc = CRC[(crc ^ out[i]) & 0xff] ^ (crc >>> 8);
	view.setUint32(8 + data.length, ~crc >>> 0);
	return out;
}

/** RFC 1950 around stored blocks of RFC 1951. */
function stored(data: Uint8Array): Uint8Array {
	const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
	for (let at = 0; at < data.length; at += 0xffff) {
		const block = data.subarray(at, at + 0xffff);
		const last = at + block.length === data.length ? 1 : 0;
		parts.push(Uint8Array.of(last, block.length & 0xff, block.length >> 8, ~block.length & 0xff, (~block.length >> 8) & 0xff), block);
	}
	let a = 1;
	let b = 0;
	for (const byte of data) {
		a = (a + byte) % 65521;
		b = (b + a) % 65521;
	}
	parts.push(Uint8Array.of(b >> 8, b & 0xff, a >> 8, a & 0xff));
	return join(parts);
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const part of parts) {
		out.set(part, at);
		at += part.length;
	}
	return out;
}
