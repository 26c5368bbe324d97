import { and, asc, count, desc, eq, gt, inArray, like, or, relations, sql } from 'drizzle-orm'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql as raw } from 'kysely'

const users = sqliteTable('users', { id: integer().primaryKey(), name: text().notNull(), age: integer(), at: integer({ mode: 'timestamp' }) })
const posts = sqliteTable('posts', { id: integer().primaryKey(), userId: integer('user_id').references(() => users.id), title: text() })
const seen = []
const db = drizzle(async (query, params, method) => { seen.push([query, params, method]); return { rows: method === 'get' ? [1, 'Ada', 36, 0] : [[1, 'Ada', 36, 0]] } }, { schema: { users, posts, userPosts: relations(users, ({ many }) => ({ posts: many(posts) })), postUser: relations(posts, ({ one }) => ({ user: one(users, { fields: [posts.userId], references: [users.id] }) })) } })
const kysely = new Kysely({ dialect: { createAdapter: () => new SqliteAdapter(), createDriver: () => new DummyDriver(), createIntrospector: (k) => new SqliteIntrospector(k), createQueryCompiler: () => new SqliteQueryCompiler() } })
export default {
	async fetch() {
		seen.length = 0
		const rows = await db.select().from(users).where(and(gt(users.age, 18), or(like(users.name, 'A%'), inArray(users.id, [1, 2])))).orderBy(desc(users.age), asc(users.id)).limit(5)
		const joined = db.select({ name: users.name, n: count(posts.id) }).from(users).leftJoin(posts, eq(posts.userId, users.id)).groupBy(users.name).having(sql`count(*) > ${1}`).toSQL()
		await db.insert(users).values([{ name: 'Ada', age: 36, at: new Date(0) }]).onConflictDoUpdate({ target: users.id, set: { name: 'Eva' } })
		await db.update(users).set({ age: sql`${users.age} + 1` }).where(eq(users.id, 1))
		const related = db.query.users.findMany({ with: { posts: true }, limit: 1 }).toSQL()
		const compiled = [kysely.selectFrom('users as u').innerJoin('posts as p', 'p.user_id', 'u.id').select(['u.id', (eb) => eb.fn.count('p.id').as('n')]).where('u.age', '>', 18).groupBy('u.id').compile(), kysely.insertInto('users').values({ name: 'Ada' }).returning('id').compile(), kysely.with('x', (d) => d.selectFrom('users').selectAll()).selectFrom('x').selectAll().where(raw`a = ${1}`).compile()]
		return Response.json([rows, joined, seen, related, compiled.map(({ sql: text_, parameters }) => [text_, parameters]), await kysely.selectFrom('users').selectAll().execute()])
	},
}
export const requests = [['/']]
