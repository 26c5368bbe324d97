import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { contract, tables } from '../../src/sandbox/js/contract.mjs';
import { Instance, agreed, breaches, counted, unlike } from './mock-er.mjs';

// An item of a list is one line here, however it is broken there.
const NATIVES = readFileSync(new URL('../../src/sandbox/NATIVES.md', import.meta.url), 'utf8').replace(/\n +/g, ' ');
const spelled = (table) => Object.entries(table).map(([name, args]) => `${name}(${args.join(', ')})`).sort();

/** The natives that a text describes, as `er.name(arguments)`, and its hooks, rows of a table. */
function described(text) {
	const natives = [...text.matchAll(/`er\.(\w+\([^)]*\))/g)].map(([, call]) => call);
	const hooks = [...text.matchAll(/^\| `(\w+\([^)]*\))` \|/gm)].map(([, call]) => call);
	return { natives: [...new Set(natives)].sort(), hooks: hooks.sort() };
}

test('NATIVES.md describes each native with its arguments, and no other', () => {
	assert.deepEqual(described(NATIVES).natives, spelled(agreed.natives));
});
test('NATIVES.md describes each hook with its arguments, and no other', () => {
	assert.deepEqual(described(NATIVES).hooks, spelled(agreed.hooks));
});
test('NATIVES.md names each value that is a member of er, and what is in its limits', () => {
	for (const name of agreed.given) assert.match(NATIVES, new RegExp(`\`er\\.${name}\``));
	assert.match(NATIVES, new RegExp(`\`er\\.limits\` → \`{${agreed.limits.join(', ')}}\``));
	assert.deepEqual(Object.keys(new Instance().limits), agreed.limits);
});
test('NATIVES.md says of each kind of thing that C holds what ends it', () => {
	const table = NATIVES.slice(NATIVES.indexOf('## What C holds'));
	assert.deepEqual([...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind), agreed.held);
});
test('NATIVES.md says the numbers of a body that the contract has', () => {
	const { BODY_NONE, BODY_WHOLE, BODY_STREAM, BODY_RELAY, BODY_LAST, LENGTH_NO_BODY, LENGTH_UNKNOWN } = agreed.numbers;
	assert.match(NATIVES, new RegExp(`flags: ${BODY_NONE} empty, ${BODY_WHOLE} body is .*, ${BODY_STREAM} stream of .*, ${BODY_RELAY} relay of .* plus ${BODY_LAST} when`));
	assert.match(NATIVES, new RegExp(`er\\.reqBody\\(id\\)\` → ${LENGTH_NO_BODY}: no body; ${LENGTH_UNKNOWN}: length unknown`));
});
test('the prelude has the hooks of the contract, with their arguments, and no other', () => {
	const { hooks } = new Instance();
	assert.deepEqual(Object.entries(hooks).map(([name, fn]) => `${name}/${fn.length}`).sort(), Object.entries(agreed.hooks).map(([name, args]) => `${name}/${args.length}`).sort());
});
test('a native that lacks or is too many is noticed', () => {
	const natives = Object.fromEntries([...Object.keys(agreed.natives), ...agreed.given].map((name) => [name, () => {}]));
	assert.deepEqual(unlike(natives), []);
	delete natives.pull;
	natives.push = () => {};
	assert.deepEqual(unlike(natives), ['lacks pull', 'has push']);
});
test('a call with another number of arguments is noticed', () => {
	const pull = counted('pull', (key, n) => key + n), timerSet = counted('timerSet', (...args) => args.length);
	assert.equal(pull(1, 2), 3);
	assert.equal(timerSet(1, false, 0), 3);
	for (const call of [() => pull(1), () => pull(1, 2, 3), () => timerSet(1, false)]) assert.throws(call, TypeError);
	assert.equal(breaches.splice(0).length, 3);
});
test('the header is read as the compiler reads it, or not at all', () => {
	const of = (lines) => `#define ER_A_TABLE(X) \\\n${lines}\n#define ER_NUMBER_TABLES(X) ER_A_TABLE(X)\n`;
	assert.deepEqual(contract(of('\tX(ONE, 1) /* not X(TWO, 2) */ \\\n\tX(BIG, 64 * 1024) \\\n\tX(BIT, 1 << 4)')).numbers, { ONE: 1, BIG: 65536, BIT: 16 });
	for (const bad of ['\tX(ONE, 0x1)', '\tX(ONE, 1) Y(TWO, 2)', '\tX(ONE, sizeof(int))', '\tX(ONE, 1) \\\n\tX(ONE, 2)', '\tX(ONE, 1U)'])
		assert.throws(() => contract(of(bad)), /contract\.h/, bad);
	assert.throws(() => contract('#define ER_NATIVE_TABLE(X) X(pull, (key, key))\n'), /arguments/);
	assert.ok(tables('#define ER_GIVEN_TABLE(X) X(env)\n').get('GIVEN').length === 1);
});
