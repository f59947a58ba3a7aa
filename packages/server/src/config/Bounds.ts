import { NoSource, type TokenStore } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { matches } from "./ApiKeys.js"

/** Lets a key in, or fails where its pattern has as many keys as it may. */
export type Admit = (key: string) => Effect.Effect<void, NoSource>

/**
 * Bounds the keys of each pattern whose source can log in: each name that somebody asks for makes a row and a login, and
 * names can be made up. A key that has a row is let in always. The rows are counted anew each minute while names are
 * refused; services beside each other see each other's rows by that.
 */
export const makeBounds =
  (store: TokenStore["Type"]) =>
  (pattern: string, most: number): Admit => {
    let count: { rows: number; at: number } | undefined
    const gate = Effect.unsafeMakeSemaphore(1)
    const counted = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (count !== undefined && (count.rows < most || Math.abs(now - count.at) < MINUTE)) return count
      const [prefix = ""] = pattern.split("*", 1)
      let rows = 0
      for (let after: string | undefined, read = 0, more = true; more && rows < most && read < MOST_ROWS; ) {
        const page = yield* store.page({ after, limit: PAGE, prefix })
        rows += page.filter(({ key }) => matches(pattern, key)).length
        read += page.length
        after = page.at(-1)?.key
        more = page.length === PAGE
      }
      count = { rows, at: now }
      return count
    })
    /** What cannot be read is kept all the same. */
    const isKept = (key: string) =>
      Effect.catchIf(
        Effect.map(store.load(key), Option.isSome),
        ({ reason }) => reason !== "unreachable" && reason !== "setup",
        () => Effect.succeed(true)
      )
    return (key) =>
      Effect.gen(function* () {
        if (yield* isKept(key)) return
        const current = yield* counted
        if (current.rows >= most) return yield* new NoSource({ key, detail: FULL })
        current.rows++
      }).pipe(
        gate.withPermits(1),
        // Where the store is out of reach, no row can be made either.
        Effect.catchTag("TokenStoreError", () => Effect.void)
      )
  }

const FULL = "its connection has as many keys as it may (maxKeys)"
const PAGE = 200
const MOST_ROWS = 20_000
const MINUTE = 60_000
