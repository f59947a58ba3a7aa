import { TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { SettingsError } from "../config/Settings.js"
import * as Store from "../config/Store.js"
import { visible } from "../observability/Log.js"

/** Makes and upgrades the tables. */
export const migrate = Effect.fnUntraced(function* (settings: Store.Keeping) {
  const before = yield* Store.migrate(settings)
  const done = { absent: "made", older: "upgraded", ready: "as this version needs them: nothing was changed" }
  yield* say(`The tables are ${done[before]}.`)
  return 0
})

/** Says how many rows each encryption key has sealed, and which do not open. */
export const report = (settings: Store.Keeping) =>
  Effect.gen(function* () {
    yield* sealed(settings)
    const store = yield* TokenStore
    const [why, keys] = [new Map<string, number>(), [] as string[]]
    let rows = 0
    let unread = 0
    yield* Stream.runForEach(pages(store), (page) =>
      Effect.sync(() => {
        rows += page.length
        for (const { error, key } of page) {
          if (error === undefined) continue
          unread++
          why.set(error.detail ?? error.reason, (why.get(error.detail ?? error.reason) ?? 0) + 1)
          if (keys.length < MOST_NAMED) keys.push(key)
        }
      })
    )
    if (unread === 0) yield* say(`All ${rows} rows open.`)
    else {
      yield* say(`${unread} of ${rows} rows do not open and are left as they are:`)
      for (const [detail, count] of why) yield* say(`  ${count}: ${detail}`)
      yield* named(keys, unread)
    }
    return unread === 0 ? 0 : 2
  }).pipe(Effect.provide(Store.existing(settings, "look")))

/** Seals every row with the newest encryption key. */
export const rotate = (settings: Store.Keeping, { plain }: { readonly plain: boolean }) =>
  Effect.gen(function* () {
    if (settings.encryption === "off") {
      const problem = 'expected "on": rotation seals rows. Set it in every service first'
      return yield* new SettingsError({ setting: "encryption", problem })
    }
    const aside: Array<string> = []
    let left = 0
    yield* Stream.runForEach(
      SqlTokenStore.rotate({ encryption: Store.cipher, plain }),
      ({ moved, setAside, skipped, total, undecryptable }) => {
        aside.push(...setAside.slice(0, MOST_NAMED - aside.length))
        left = undecryptable
        const looked = moved + skipped + undecryptable
        const done = `${moved} sealed anew, ${skipped} changed meanwhile, ${undecryptable} do not open`
        return say(`${looked} of ${Math.max(total, looked)} rows: ${done}`)
      }
    )
    yield* sealed(settings)
    if (left === 0) return 0
    yield* say(
      `${left} rows are left as they were: no key in EVERTOKEN_KEYS opens them${plain ? "" : ', or they were written with encryption "off" (--plain seals these too)'}.`
    )
    yield* named(aside, left)
    return 2
  }).pipe(Effect.provide(Store.existing(settings, "keep")))

/** Tells how many rows each key has sealed. */
const sealed = Effect.fnUntraced(function* ({ encryption }: Store.Keeping) {
  const current = encryption === "off" ? undefined : yield* Effect.flatMap(Store.cipher, ({ current }) => current)
  const counts = yield* SqlTokenStore.report()
  if (counts.length === 0) yield* say("There are no tokens.")
  for (const { keyId, rows } of counts) {
    const by = keyId === undefined ? 'written with encryption "off"' : `sealed by the key "${visible(keyId)}"`
    const note = keyId !== undefined && keyId === current ? ", which seals now" : ""
    yield* say(`${rows} rows are ${by}${note}.`)
  }
})

/** All that is kept, page by page. */
export const pages = (store: TokenStore["Type"]) =>
  Stream.paginateChunkEffect(undefined as string | undefined, (after) =>
    Effect.map(store.page({ after, limit: PAGE }), (page) => [
      Chunk.of(page),
      page.length < PAGE ? Option.none() : Option.some(page.at(-1)?.key)
    ])
  )

/** Names keys, some of so many. */
export const named = (keys: ReadonlyArray<string>, many: number) =>
  say(`  ${keys.map(visible).join("\n  ")}${many > keys.length ? `\n  and ${many - keys.length} more` : ""}`)

/** A line for a person. */
export const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

export const MOST_NAMED = 20
const PAGE = 500
