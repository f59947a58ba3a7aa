import type { SqlClient, SqlError } from "@effect/sql"
import * as Effect from "effect/Effect"
import type { Names } from "./Statements.js"

/** The first version of the tables. Every statement may be run again. */
export const first = (sql: SqlClient.SqlClient, names: Names): Effect.Effect<void, SqlError.SqlError> => {
  const [tokens, mark] = [sql(names.tokens), sql(names.mark)]
  const due = sql(`${names.prefix}_due`)
  return sql.onDialectOrElse({
    pg: () =>
      all(
        // Room on each page lets a lease rewrite its row without touching an index.
        sql`CREATE TABLE IF NOT EXISTS ${tokens} (
          key text COLLATE "C" PRIMARY KEY,
          generation bigint NOT NULL,
          payload text,
          key_id text,
          lease_owner text,
          lease_until bigint,
          intent_owner text,
          intent_at bigint,
          due_at bigint,
          failures integer NOT NULL DEFAULT 0,
          retry_at bigint,
          dead smallint NOT NULL DEFAULT 0,
          failure text,
          refreshed_at bigint,
          failed_at bigint
        ) WITH (fillfactor = 70)`,
        sql`CREATE INDEX IF NOT EXISTS ${due} ON ${tokens} (due_at) WHERE due_at IS NOT NULL`,
        sql`CREATE TABLE IF NOT EXISTS ${mark} (id smallint PRIMARY KEY, highest bigint NOT NULL)`,
        sql`INSERT INTO ${mark} (id, highest) VALUES (1, 0) ON CONFLICT DO NOTHING`
      ),
    mysql: () =>
      all(
        sql`CREATE TABLE IF NOT EXISTS ${tokens} (
          \`key\` VARBINARY(2048) NOT NULL PRIMARY KEY,
          generation BIGINT NOT NULL,
          payload LONGTEXT,
          key_id TEXT,
          lease_owner VARCHAR(255),
          lease_until BIGINT,
          intent_owner VARCHAR(255),
          intent_at BIGINT,
          due_at BIGINT,
          failures INT NOT NULL DEFAULT 0,
          retry_at BIGINT,
          dead SMALLINT NOT NULL DEFAULT 0,
          failure LONGTEXT,
          refreshed_at BIGINT,
          failed_at BIGINT,
          claim VARCHAR(64),
          INDEX ${due} (due_at),
          INDEX ${sql(`${names.prefix}_claim`)} (claim)
        ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
        sql`CREATE TABLE IF NOT EXISTS ${mark} (id SMALLINT PRIMARY KEY, highest BIGINT NOT NULL) ENGINE = InnoDB`,
        sql`INSERT IGNORE INTO ${mark} (id, highest) VALUES (1, 0)`
      ),
    orElse: () =>
      all(
        sql`CREATE TABLE IF NOT EXISTS ${tokens} (
          key TEXT NOT NULL PRIMARY KEY,
          generation INTEGER NOT NULL,
          payload TEXT,
          key_id TEXT,
          lease_owner TEXT,
          lease_until INTEGER,
          intent_owner TEXT,
          intent_at INTEGER,
          due_at INTEGER,
          failures INTEGER NOT NULL DEFAULT 0,
          retry_at INTEGER,
          dead INTEGER NOT NULL DEFAULT 0,
          failure TEXT,
          refreshed_at INTEGER,
          failed_at INTEGER,
          claim INTEGER
        )`,
        sql`CREATE INDEX IF NOT EXISTS ${due} ON ${tokens} (due_at) WHERE due_at IS NOT NULL`,
        sql`CREATE TABLE IF NOT EXISTS ${mark} (id INTEGER PRIMARY KEY, highest INTEGER NOT NULL)`,
        sql`INSERT INTO ${mark} (id, highest) VALUES (1, 0) ON CONFLICT DO NOTHING`,
        sql`CREATE TRIGGER IF NOT EXISTS ${sql(`${names.prefix}_removed`)} AFTER DELETE ON ${tokens} BEGIN
          UPDATE ${mark} SET highest = max(highest, OLD.generation); END`
      )
  })
}

/**
 * What tells that the clock was set back: when a lease and a due time were written. And how often a row was claimed.
 * Older programs leave the new columns alone, and work on beside this one. Every statement may be run again.
 */
export const second = (sql: SqlClient.SqlClient, names: Names): Effect.Effect<void, SqlError.SqlError> => {
  const tokens = sql(names.tokens)
  const scheduled = sql(`${names.prefix}_scheduled`)
  const index = sql`CREATE INDEX IF NOT EXISTS ${scheduled} ON ${tokens} (scheduled_at) WHERE scheduled_at IS NOT NULL`
  const columns = [
    ["leased_at", "BIGINT"],
    ["scheduled_at", "BIGINT"],
    ["claims", "INTEGER NOT NULL DEFAULT 0"]
  ] as const
  const adding = (known: Effect.Effect<ReadonlyArray<{ readonly name: string }>, SqlError.SqlError>) =>
    Effect.flatMap(known, (known) =>
      Effect.forEach(
        columns.filter(([name]) => !known.some((column) => column.name === name)),
        ([name, type]) => sql`ALTER TABLE ${tokens} ADD COLUMN ${sql(name)} ${sql.literal(type)}`,
        { discard: true }
      )
    )
  return sql.onDialectOrElse({
    pg: () =>
      all(
        sql`ALTER TABLE ${tokens} ${sql.literal(columns.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${name} ${type}`).join(", "))}`,
        index
      ),
    mysql: () => {
      const inTable = sql`table_schema = DATABASE() AND table_name = ${names.tokens}`
      const indexes = sql`SELECT 1 FROM information_schema.statistics WHERE ${inTable} AND index_name = ${`${names.prefix}_scheduled`}`
      return adding(
        sql<{ name: string }>`SELECT column_name AS name FROM information_schema.columns WHERE ${inTable}`
      ).pipe(
        Effect.zipRight(indexes),
        Effect.flatMap((found) =>
          Effect.unless(sql`CREATE INDEX ${scheduled} ON ${tokens} (scheduled_at)`, () => found.length > 0)
        ),
        Effect.asVoid
      )
    },
    orElse: () => all(adding(sql<{ name: string }>`SELECT name FROM pragma_table_info(${names.tokens})`), index)
  })
}

const all = (...statements: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>) =>
  Effect.all(statements, { discard: true })
