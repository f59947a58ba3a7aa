import { SqlClient } from "@effect/sql"
import { type InvalidOption, TokenStore, TokenStoreError } from "@evertoken/core"
import {
  type RotateOptions,
  type Rotation,
  type SealedBy,
  type TokenCipher,
  TokenRotation
} from "@evertoken/core/encryption"
import {
  boolean,
  type Check,
  type Checks,
  checkOptions,
  effect,
  integer,
  kind,
  required,
  string
} from "@evertoken/core/options"
import type { TokenStoreBackend } from "@evertoken/core/store"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { canListen, changeFeed } from "./Changes.js"
import { mysqlBackend } from "./dialects/MysqlBackend.js"
import { postgres } from "./dialects/Postgres.js"
import { returningBackend } from "./dialects/ReturningBackend.js"
import { neverStandStill, sqlite } from "./dialects/Sqlite.js"
import * as Migrations from "./Migrations.js"
import { type Names, namesOf, sqlClient, tableChecks } from "./statements/Statements.js"

/** Where the tables are. */
export interface TableOptions {
  /**
   * The name of the table; two more are named after it.
   * @default "evertoken_tokens"
   */
  readonly table?: string | undefined
  /** PostgreSQL's schema for the tables, made if need be. Left out, the connection's own. */
  readonly schema?: string | undefined
}

/** What `make` and `layer` take. */
export interface SqlTokenStoreOptions<E = never, R = never> extends TableOptions {
  /**
   * What seals each token set before it is stored, for instance `TokenCipher.config()`; or `"off"`, which keeps the
   * tokens readable for whoever can read the table.
   */
  readonly encryption: Effect.Effect<TokenCipher["Type"], E, R> | "off"
  /**
   * Whether to make and upgrade the tables first. Without, `migrate` has to have run before.
   * @default true
   */
  readonly migrate?: boolean | undefined
}

/** Keeps tokens in the database of the `SqlClient`, for any number of processes together. */
export const make = <E = never, R = never>(
  options: SqlTokenStoreOptions<E, R>
): Effect.Effect<TokenStore["Type"], InvalidOption | TokenStoreError | E, SqlClient.SqlClient | Scope.Scope | R> =>
  Effect.gen(function* () {
    const names = yield* named(options, storeChecks)
    const cipher = options.encryption === "off" ? undefined : yield* options.encryption
    if (options.migrate !== false) yield* Migrations.migrate(names)
    return TokenStore.make(yield* whole(names), { cipher })
  })

/**
 * The same as a layer.
 *
 * @example
 * ```ts
 * const Store = SqlTokenStore.layer({ encryption: TokenCipher.config() }).pipe(
 *   Layer.provide(PgClient.layer({ url: Redacted.make("postgres://app@db.example.com/app") }))
 * )
 * ```
 */
export const layer = <E = never, R = never>(
  options: SqlTokenStoreOptions<E, R>
): Layer.Layer<TokenStore, InvalidOption | TokenStoreError | E, SqlClient.SqlClient | R> =>
  Layer.scoped(TokenStore, make(options))

/** The same with the names of the tables, and whether to make them, from the configuration. */
export const layerConfig = <E = never, R = never>({
  encryption,
  ...options
}: Pick<SqlTokenStoreOptions<E, R>, "encryption"> &
  Config.Config.Wrap<Omit<SqlTokenStoreOptions, "encryption">>): Layer.Layer<
  TokenStore,
  InvalidOption | TokenStoreError | ConfigError.ConfigError | E,
  SqlClient.SqlClient | R
> => Layer.unwrapEffect(Effect.map(Config.unwrap(options), (options) => layer({ ...options, encryption })))

/** Makes and upgrades the tables, and nothing else: for a deployment whose processes may not. */
export const migrate = (
  options: TableOptions = {}
): Effect.Effect<void, InvalidOption | TokenStoreError, SqlClient.SqlClient> =>
  Effect.flatMap(named(options), Migrations.migrate)

/** Whether `migrate` has made the tables, and as new as this program needs them. It only looks. */
export const tables = (
  options: TableOptions = {}
): Effect.Effect<"ready" | "older" | "absent", InvalidOption | TokenStoreError, SqlClient.SqlClient> =>
  Effect.flatMap(named(options), Migrations.look)

/**
 * Seals anew, with the current key of `encryption`, what other keys have sealed: beside live refreshes, and resumable
 * after the key that the last progress names. Give every process the new key before, and drop the old one after
 * `report` counts none of it.
 */
export const rotate = <E = never, R = never>(
  options: TableOptions & RotateOptions & { readonly encryption: Effect.Effect<TokenCipher["Type"], E, R> }
): Stream.Stream<Rotation, InvalidOption | TokenStoreError | E, SqlClient.SqlClient | R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* checkOptions(options, rotationChecks)
      const { after, batch, plain, schema, table } = options
      const rows = yield* sealedOf({ schema, table })
      return TokenRotation.rotate(rows, yield* options.encryption, { after, batch, plain })
    })
  )

/** How many token sets each encryption key has sealed. */
export const report = (
  options: TableOptions = {}
): Effect.Effect<ReadonlyArray<SealedBy>, InvalidOption | TokenStoreError, SqlClient.SqlClient> =>
  Effect.flatMap(sealedOf(options), TokenRotation.report)

/** The operations alone, without migration and encryption, for a store that is wrapped before it is used. */
export const backend = (
  options: TableOptions = {}
): Effect.Effect<TokenStoreBackend, InvalidOption | TokenStoreError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.flatMap(named(options), whole)

/** What each option of `make` has to be. */
export const storeChecks = {
  ...tableChecks,
  encryption: required(
    kind(
      'TokenCipher.config(), another Effect that gives a cipher, or "off"',
      (value) => value === "off" || Effect.isEffect(value)
    )
  ),
  migrate: boolean
} satisfies Checks<SqlTokenStoreOptions>

const rotationChecks = {
  ...tableChecks,
  encryption: required(effect("TokenCipher.config(), or another Effect that gives a cipher")),
  after: string,
  batch: integer(1, 10_000),
  plain: boolean
} satisfies Checks<Parameters<typeof rotate>[0]>

/** What is asked of the tables alone may be asked with the options of their store. */
const anyChecks = { ...storeChecks, encryption: () => undefined }

/** The names of the tables, once all options were checked. */
const named = (options: TableOptions, checks: Readonly<Record<string, Check>> = anyChecks) =>
  Effect.map(checkOptions(options, checks), () => namesOf(options))

const whole = Effect.fnUntraced(function* (names: Names) {
  const sql = yield* sqlClient
  const changes = canListen(sql) ? yield* changeFeed(sql, names) : undefined
  return { ...(yield* operations(names)), changes } satisfies TokenStoreBackend
})

const operations = Effect.fnUntraced(function* (
  names: Names
): Effect.fn.Return<TokenStoreBackend, InvalidOption | TokenStoreError, SqlClient.SqlClient> {
  // Names in the tables are as they are, whatever the client makes of other tables' names.
  const sql = (yield* sqlClient).withoutTransforms()
  return yield* sql.onDialectOrElse({
    pg: () => Effect.succeed(returningBackend(sql, names, postgres(sql, names))),
    sqlite: () => Effect.as(neverStandStill(sql), returningBackend(sql, names, sqlite(sql, names))),
    mysql: () => Effect.succeed(mysqlBackend(sql, names)),
    orElse: () =>
      new TokenStoreError({
        reason: "unreachable",
        detail: "the database is none of SQLite, PostgreSQL, MySQL and MariaDB"
      })
  })
})

const sealedOf = (options: TableOptions) =>
  Effect.flatMap(Effect.flatMap(named(options), operations), ({ sealed }) =>
    sealed === undefined ? new TokenStoreError({ reason: "unreachable" }) : Effect.succeed(sealed)
  )
