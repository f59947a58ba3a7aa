import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { TokenSet } from "../model/TokenSet.js"
import { TokenRotation } from "../store/KeyRotation.js"
import { TokenCipher } from "../store/TokenCipher.js"
import { TokenStore } from "../store/TokenStore.js"
import { asks, failed, holds, kept, LONG, load, newKey, type StoreCase, same } from "./StoreCase.js"

/** What encryption and its `sealed` part promise; the latter holds for stores that have one. */
export const sealing: ReadonlyArray<StoreCase> = [
  {
    title: "a row sealed for one key and generation opens under no other (P12)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const cipher = yield* TokenCipher.make(ring("new"))
      const store = TokenStore.make(backend, { cipher })
      const mine = yield* newKey("mine")
      yield* store.put(mine, TOKENS, undefined)
      const { generation, payload = "" } = yield* load(backend, mine)
      yield* holds(
        "the payload shows nothing",
        !payload.includes("secret") && !payload.includes(Encoding.encodeBase64("secret"))
      )
      const yours = yield* newKey("yours")
      yield* backend.put(yours, { expected: undefined, generation, payload, dueIn: undefined })
      yield* same("under another key", (yield* Effect.flip(store.load(yours))).reason, "undecryptable")
      yield* backend.put(mine, { expected: generation, generation: generation + 1, payload, dueIn: undefined })
      yield* same("under another generation", (yield* Effect.flip(store.load(mine))).reason, "undecryptable")
      yield* same("the row", (yield* load(backend, mine)).payload, payload)
    })
  },
  {
    title: "what cannot be decrypted is left as it is by any refresh (P12)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const sealed = TokenStore.make(backend, { cipher: yield* TokenCipher.make(ring("old")) })
      const other = TokenStore.make(backend, { cipher: yield* TokenCipher.make(ring("new")) })
      const key = yield* newKey("set aside")
      yield* sealed.put(key, TOKENS, 0)
      const before = yield* load(backend, key)
      yield* same("load", (yield* Effect.flip(other.load(key))).reason, "undecryptable")
      const lease = other.lease(key, asks("a", { force: true, presents: true }))
      yield* same("lease", (yield* Effect.flip(lease)).reason, "undecryptable")
      yield* same("the row", yield* load(backend, key), before)
      const record = yield* Effect.flatten(sealed.load(key))
      yield* holds("its own key still opens it", Option.isSome(Option.fromNullable(record.tokens)))
    })
  },
  {
    title: "rotates every payload to the current key, counting by key before and after (P12)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { sealed } = backend
      if (sealed === undefined) return
      const [before, after] = [yield* newKey("k1"), yield* newKey("k2")].map((id) => id.replace(" ", "-"))
      if (before === undefined || after === undefined) return
      const old = TokenStore.make(backend, { cipher: yield* TokenCipher.make(ring(before)) })
      const cipher = yield* TokenCipher.make({ current: after, keys: { ...ring(before).keys, ...ring(after).keys } })
      const keys = yield* Effect.forEach(Array.from({ length: 12 }), () => newKey("rotated"))
      yield* Effect.forEach(keys, (key) => old.put(key, TOKENS, LONG))
      const lost = yield* newKey("lost")
      yield* TokenStore.make(backend, { cipher: yield* TokenCipher.make(ring("lost")) }).put(lost, TOKENS, LONG)
      const rowsBefore = yield* Effect.forEach(keys, (key) => load(backend, key))
      yield* same("sealed by the old key", yield* countOf(sealed, before), 12)

      const steps = Array.from(yield* Stream.runCollect(TokenRotation.rotate(sealed, cipher, { batch: 5 })))
      yield* holds("it tells of each batch", steps.length > 2)
      yield* same("what was moved", steps.at(-1)?.moved, 12)
      yield* holds(
        "what no key opens is set aside",
        steps.some(({ setAside }) => setAside.includes(lost))
      )
      yield* same("sealed by the old key", yield* countOf(sealed, before), 0)
      yield* same("sealed by the new key", yield* countOf(sealed, after), 12)
      yield* same("sealed by the lost key", yield* countOf(sealed, "lost"), 1)
      yield* backend.remove(lost)

      const rowsAfter = yield* Effect.forEach(keys, (key) => load(backend, key))
      const strip = (rows: typeof rowsAfter) => rows.map((row) => ({ ...row, payload: undefined }))
      yield* same("the rest of the rows", strip(rowsAfter), strip(rowsBefore))
      const only = TokenStore.make(other, { cipher: yield* TokenCipher.make(ring(after)) })
      const opened = yield* Effect.forEach(keys, (key) => Effect.flatten(only.load(key)))
      yield* holds(
        "the new key alone opens them all",
        opened.every(({ tokens }) => tokens !== undefined)
      )
    })
  },
  {
    title: "a rotation never writes over what changed meanwhile, and touches neither lease nor intent (P2, P12)",
    test: Effect.fnUntraced(function* ({ backend, other = backend }) {
      const { sealed } = backend
      if (sealed === undefined) return
      const { generation, key } = yield* kept(backend, "resealed")
      yield* other.lease(key, asks("a", { known: generation, presents: true }))
      const before = yield* load(backend, key)
      yield* same("reseal", yield* sealed.reseal(key, { generation, from: "{}", to: "[]" }), true)
      yield* same("the row", yield* load(backend, key), { ...before, payload: "[]" })
      yield* same("reseal what was read before", yield* sealed.reseal(key, { generation, from: "{}", to: "x" }), false)
      yield* same(
        "the commit of the lease",
        yield* other.commit(key, { owner: "a", generation, tokens: "new", dueIn: 0 }),
        true
      )
      yield* same(
        "reseal the generation before",
        yield* sealed.reseal(key, { generation, from: "new", to: "x" }),
        false
      )
      yield* other.lease(key, asks("a", { known: generation + 1 }))
      yield* other.fail(key, failed("a", generation + 1))
      yield* same("the payload", (yield* load(backend, key)).payload, "new")
      yield* other.remove(key)
      yield* same(
        "reseal what was removed",
        yield* sealed.reseal(key, { generation: generation + 1, from: "new", to: "x" }),
        false
      )
    })
  },
  {
    title: "pages through what other keys sealed, in one order, each row once (P12)",
    test: Effect.fnUntraced(function* ({ backend }) {
      const { sealed } = backend
      if (sealed === undefined) return
      const made = yield* Effect.forEach(Array.from({ length: 7 }), (_, at) =>
        kept(backend, `${at % 2 === 0 ? "é" : "Z"}${at}`)
      )
      const pages: Array<string> = []
      let after: string | undefined
      do {
        const page = yield* sealed.page({ after, except: "none", limit: 3 })
        pages.push(...page.map(({ key }) => key))
        after = page.length === 3 ? page.at(-1)?.key : undefined
      } while (after !== undefined)
      yield* same("no row twice", new Set(pages).size, pages.length)
      yield* holds(
        "no row left out",
        made.every(({ key }) => pages.includes(key))
      )
    })
  }
]

const TOKENS = TokenSet.make({ accessToken: "secret-access", refreshToken: "secret-refresh" })

/** One key of this name, the same each time. */
const ring = (id: string) => {
  const bytes = new TextEncoder().encode(id.padEnd(32, "#")).slice(0, 32)
  return { current: id, keys: { [id]: Redacted.make(Encoding.encodeBase64Url(bytes)) } }
}

const countOf = (sealed: NonNullable<Parameters<typeof TokenRotation.report>[0]>, id: string) =>
  Effect.map(TokenRotation.report(sealed), (all) => all.find(({ keyId }) => keyId === id)?.rows ?? 0)
