import { TokenStore, TokenStoreError } from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { SqlTokenStore } from "@evertoken/store-sql"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Database from "./Database.js"
import { encryptionKeys, isPlace, secretAt } from "./Secrets.js"
import { type Settings, SettingsError } from "./Settings.js"

/** The settings that say where tokens are kept, and how. */
export type Keeping = Pick<Settings, "database" | "encryption">

/** Where tokens are kept. The tables are made and upgraded first. */
export const layer = (settings: Keeping) => over(settings, "keep", true)

/** The same and its database, with tables that are there already. */
export const existing = (settings: Keeping, use: "keep" | "look") =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const { setting, tables } = yield* look(settings)
      if (tables !== "ready") return yield* unready(setting, tables)
      return over(settings, use, false)
    })
  )

/** What is there: no file of SQLite, no tables, older ones, or all. Changes nothing. */
export const look = Effect.fnUntraced(function* (settings: Keeping) {
  const { address, setting } = yield* addressOf(settings)
  if (yield* Database.isAbsent(setting, address)) return { setting, tables: "absent" as const }
  const tables = yield* Effect.provide(SqlTokenStore.tables(), Database.layer(setting, address, "look"))
  return { setting, tables }
})

/** Makes and upgrades the tables; gives what was there before. */
export const migrate = Effect.fnUntraced(function* (settings: Keeping) {
  const { tables } = yield* look(settings)
  yield* Effect.provide(told(settings, SqlTokenStore.migrate()), database(settings, "keep"))
  return tables
})

const over = (settings: Keeping, use: "keep" | "look", migrate: boolean) => {
  const encryption = settings.encryption === "off" ? ("off" as const) : cipher
  const store = Layer.scoped(TokenStore, told(settings, SqlTokenStore.make({ encryption, migrate })))
  return Layer.provideMerge(store, database(settings, use))
}

/** Where it fails since the tables are not as they have to be, it says so. */
const told = <A, E, R>(settings: Keeping, effect: Effect.Effect<A, E | TokenStoreError, R>) =>
  Effect.catchIf(
    effect,
    (error): error is TokenStoreError => error instanceof TokenStoreError,
    (error) =>
      Effect.gen(function* () {
        const { setting } = yield* addressOf(settings)
        const tables = yield* SqlTokenStore.tables().pipe(
          Effect.timeout("2 seconds"),
          Effect.orElseSucceed(() => "ready" as const)
        )
        return yield* tables === "ready" ? error : unready(setting, tables)
      })
  )

const unready = (setting: string, tables: "older" | "absent") => {
  const what =
    tables === "older" ? "of an older version: `evertoken migrate` upgrades" : "not there: `evertoken migrate` makes"
  return new SettingsError({ setting, problem: `the tables are ${what} them, with a database user that may` })
}

const database = (settings: Keeping, use: "keep" | "look") =>
  Layer.unwrapEffect(Effect.map(addressOf(settings), ({ address, setting }) => Database.layer(setting, address, use)))

/** What `EVERTOKEN_KEYS` seals and opens with. */
export const cipher: Effect.Effect<TokenCipher["Type"], SettingsError> = Effect.flatMap(encryptionKeys, (keys) =>
  Effect.mapError(
    TokenCipher.config(Config.succeed(keys)),
    () =>
      new SettingsError({
        setting: "EVERTOKEN_KEYS",
        problem:
          "expected encryption keys like 2026-09=…,2026-03=…, or where they are: env:NAME or file:/path; `evertoken encryption-key` makes one"
      })
  )
)

/** `DATABASE_URL`, unless the setting says where the address is. */
const addressOf = Effect.fnUntraced(function* ({ database = "file:evertoken.db" }: Keeping) {
  const isElsewhere = (text: string) => isPlace(text) && !Database.isFile(text)
  const given = yield* Effect.option(Config.redacted("DATABASE_URL"))
  const [setting, text] =
    isElsewhere(database) || Option.isNone(given)
      ? (["database", database] as const)
      : (["DATABASE_URL", Redacted.value(given.value)] as const)
  if (!isElsewhere(text)) return { setting, address: Redacted.make(text) }
  const address = yield* Effect.mapError(secretAt(setting, text, Database.isFile), ({ problem }) => {
    const hint = text.startsWith("file:") ? "; the name of an SQLite file ends in .db, .sqlite or .sqlite3" : ""
    return new SettingsError({ setting, problem: `${problem}${hint}` })
  })
  return { setting, address }
})
