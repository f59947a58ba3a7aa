import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { TokenSet, TokenStore, TokenStoreError } from "@evertoken/core"
import { type SealedRows, TokenCipher, TokenRotation } from "@evertoken/core/encryption"
import type { TokenStoreBackend } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, ConfigProvider, Effect, Encoding, Exit, Fiber, Option, Redacted, Stream, TestClock } from "effect"
import { decodeProtectedHeader } from "jose"

const secret = (letter: string) => Redacted.make(Encoding.encodeBase64Url(letter.repeat(32)))
const NEW = { current: "new", keys: { new: secret("n"), old: secret("o") } }
const OLD = { current: "old", keys: { old: secret("o") } }
const row = { key: "tenant/1", generation: 7 }

describe("TokenCipher", () => {
  it.effect("seals as compact JWE, A256GCM, with its key's id, bound to key and generation (P12)", () =>
    Effect.gen(function* () {
      const cipher = yield* TokenCipher.make(NEW)
      const sealed = yield* cipher.seal("payload", row)
      const { alg, enc, generation, key, kid } = decodeProtectedHeader(sealed)
      assert.deepStrictEqual({ alg, enc, generation, key, kid }, { alg: "dir", enc: "A256GCM", kid: "new", ...row })
      assert.strictEqual(yield* cipher.open(sealed, row), "payload")
      assert.strictEqual(Option.getOrThrow(TokenCipher.keyId(sealed)), "new")
      assert.notStrictEqual(yield* cipher.seal("payload", row), sealed)
    })
  )

  it.effect("opens under no other key, generation or encryption key, nor after any change (P12)", () =>
    Effect.gen(function* () {
      const cipher = yield* TokenCipher.make(NEW)
      const sealed = yield* cipher.seal("payload", row)
      const [header = "", ...rest] = sealed.split(".")
      const forged = Encoding.encodeBase64Url(
        JSON.stringify({ alg: "dir", enc: "A256GCM", kid: "new", key: "tenant/2", generation: 7 })
      )
      const stranger = yield* TokenCipher.make({ current: "new", keys: { new: secret("x") } })
      const opens = [
        cipher.open(sealed, { ...row, key: "tenant/2" }),
        cipher.open(sealed, { ...row, generation: 8 }),
        cipher.open([forged, ...rest].join("."), { ...row, key: "tenant/2" }),
        cipher.open(`${sealed.slice(0, -4)}AAAA`, row),
        cipher.open([header, ...rest.slice(0, -1), ""].join("."), row),
        stranger.open(sealed, row),
        Effect.flatMap(TokenCipher.make(OLD), (old) => old.open(sealed, row)),
        cipher.open("not sealed", row),
        cipher.open("{}", row),
        cipher.open("", row)
      ]
      for (const open of opens) {
        const error = yield* Effect.flip(open)
        assert.instanceOf(error, TokenStoreError)
        assert.strictEqual(error.reason, "undecryptable")
      }
    })
  )

  it.effect("shows neither payload nor key, whatever fails (P11)", () =>
    Effect.gen(function* () {
      const cipher = yield* TokenCipher.make(NEW)
      const sealed = yield* cipher.seal("CANARY", row)
      const key = Redacted.value(secret("n"))
      const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
        yield* Effect.exit(cipher.open(sealed, { ...row, generation: 8 })),
        yield* Effect.exit(cipher.open(sealed.slice(0, -3), row)),
        yield* Effect.exit(cipher.open("CANARY", row)),
        yield* Effect.exit(Effect.asVoid(TokenCipher.make({ current: "new", keys: { new: Redacted.make("CANARY") } })))
      ]
      for (const exit of exits) {
        const shown = Exit.isFailure(exit)
          ? Cause.pretty(exit.cause) + inspect(exit, { depth: 10 }) + JSON.stringify(exit)
          : ""
        assert.isFalse(Exit.isSuccess(exit))
        assert.notInclude(shown, "CANARY")
        assert.notInclude(shown, key)
      }
      assert.notInclude(inspect(cipher, { depth: 10 }), key)
    })
  )

  it.effect("takes keys from the configuration: the first seals, all open", () =>
    Effect.gen(function* () {
      const written = `2026-09=${Redacted.value(secret("n"))}, old=${Redacted.value(secret("o"))}=`
      const from = (keys: string) =>
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["EVERTOKEN_KEYS", keys]])))
      const cipher = yield* Effect.provide(TokenCipher, TokenCipher.layerConfig()).pipe(from(written))
      assert.strictEqual(yield* cipher.current, "2026-09")
      const old = yield* TokenCipher.make(OLD)
      assert.strictEqual(yield* cipher.open(yield* old.seal("payload", row), row), "payload")
      for (const wrong of [
        "",
        "abc",
        "a=short",
        `${Redacted.value(secret("n"))}=`,
        `=${Redacted.value(secret("n"))}`,
        `${written},old=x`
      ]) {
        const error = yield* Effect.flip(TokenCipher.config()).pipe(from(wrong))
        assert.notInclude(inspect(error, { depth: 10 }), Redacted.value(secret("n")))
      }
    })
  )

  it.effect("lets a key service wrap its keys: asked once for each data key, never for the wrapping key", () =>
    Effect.gen(function* () {
      const asked = { wrap: 0, unwrap: 0 }
      const reverse = (text: string) => [...text].reverse().join("")
      const service = (id: string) => ({
        id,
        wrap: (key: Redacted.Redacted) =>
          Effect.sync(() => [asked.wrap++, `${id}:${reverse(Redacted.value(key))}`].join("|")),
        unwrap: (wrapped: string, by: string) =>
          Effect.suspend(() => {
            asked.unwrap++
            return wrapped.includes(`|${by}:`)
              ? Effect.succeed(Redacted.make(reverse(wrapped.slice(wrapped.indexOf(":") + 1))))
              : Effect.fail("no such key")
          })
      })
      const one = yield* TokenCipher.service({ ...service("kms/1"), reuse: "1 hour" })
      const sealed = yield* Effect.forEach([1, 2, 3], () => one.seal("payload", row))
      assert.deepStrictEqual(asked, { wrap: 1, unwrap: 0 })
      yield* TestClock.adjust("2 hours")
      sealed.push(yield* one.seal("payload", row))
      assert.strictEqual(asked.wrap, 2)
      const two = yield* TokenCipher.service(service("kms/2"))
      for (const each of sealed) assert.strictEqual(yield* two.open(each, row), "payload")
      assert.strictEqual(asked.unwrap, 2)
      assert.strictEqual(Option.getOrThrow(TokenCipher.keyId(yield* two.seal("payload", row))), "kms/2")
      const down = yield* TokenCipher.service({
        ...service("kms/3"),
        wrap: () => Effect.fail("down"),
        unwrap: () => Effect.fail("down")
      })
      assert.strictEqual((yield* Effect.flip(down.seal("payload", row))).reason, "unreachable")
      assert.strictEqual((yield* Effect.flip(down.open(sealed[0] ?? "", row))).reason, "unreachable")
    })
  )
})

it.effect("a key service that 200 rows wait for is asked once to wrap, and once for each data key to unwrap", () =>
  Effect.gen(function* () {
    const asked = { wrap: 0, unwrap: 0 }
    const slowly = <A>(what: keyof typeof asked, answer: A) =>
      Effect.delay(
        Effect.sync(() => answer),
        "1 second"
      ).pipe(Effect.tap(() => asked[what]++))
    const service = {
      id: "kms",
      wrap: (key: Redacted.Redacted) => slowly("wrap", Redacted.value(key)),
      unwrap: (wrapped: string) => slowly("unwrap", Redacted.make(wrapped))
    }
    const rows = Array.from({ length: 200 }, (_, at) => ({ key: `k${at}`, generation: 1 }))
    const one = yield* TokenCipher.service(service)
    const sealing = yield* Effect.fork(
      Effect.forEach(rows, (row) => one.seal("payload", row), { concurrency: "unbounded" })
    )
    yield* TestClock.adjust("2 seconds")
    const sealed = yield* Fiber.join(sealing)
    assert.deepStrictEqual(asked, { wrap: 1, unwrap: 0 })
    const two = yield* TokenCipher.service(service)
    const opening = yield* Effect.fork(
      Effect.forEach(rows, (row, at) => two.open(sealed[at] ?? "", row), { concurrency: "unbounded" })
    )
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual([...new Set(yield* Fiber.join(opening))], ["payload"])
    assert.deepStrictEqual(asked, { wrap: 1, unwrap: 1 })
  })
)

describe("TokenRotation", () => {
  const rowsOf = Effect.gen(function* () {
    const backend = yield* MemoryTokenStore.backend()
    const sealed = sealedRows(backend)
    const [old, both] = [yield* TokenCipher.make(OLD), yield* TokenCipher.make(NEW)]
    return { backend, sealed, both, old, before: TokenStore.make(backend, { cipher: old }) }
  })
  const TOKENS = TokenSet.make({ accessToken: "at", refreshToken: "rt" })

  it.effect("goes on after the key where it was stopped (P12)", () =>
    Effect.gen(function* () {
      const { before, both, sealed } = yield* rowsOf
      const keys = Array.from({ length: 25 }, (_, at) => `key ${String(at).padStart(2, "0")}`)
      yield* Effect.forEach(keys, (key) => before.put(key, TOKENS, undefined))
      const first = yield* Stream.runLast(Stream.take(TokenRotation.rotate(sealed, both, { batch: 10 }), 1))
      const { after, moved, total } = Option.getOrThrow(first)
      assert.deepStrictEqual({ after, moved, total }, { after: "key 09", moved: 10, total: 25 })
      const rest = yield* Stream.runLast(TokenRotation.rotate(sealed, both, { batch: 10, after }))
      assert.strictEqual(Option.getOrThrow(rest).moved, 15)
      const none = yield* Stream.runLast(TokenRotation.rotate(sealed, both))
      assert.deepStrictEqual(Option.getOrThrow(none), {
        after: undefined,
        total: 0,
        moved: 0,
        skipped: 0,
        undecryptable: 0,
        setAside: []
      })
    })
  )

  it.effect("never writes over a refresh that happens meanwhile (P2)", () =>
    Effect.gen(function* () {
      const { backend, before, both, old, sealed } = yield* rowsOf
      const generation = yield* before.put("live", TOKENS, undefined)
      // The refresh commits between the rotation's read and its write.
      const live = TokenStore.make(backend, { cipher: both })
      const newer = TokenSet.make({ accessToken: "newer" })
      const racing = {
        ...sealed,
        reseal: (key: string, change: Parameters<typeof sealed.reseal>[1]) =>
          Effect.gen(function* () {
            yield* live.lease(key, { owner: "a", known: generation, lasts: 1_000, presents: true, force: false })
            yield* live.commit(key, { owner: "a", generation, tokens: newer, dueIn: undefined })
            return yield* sealed.reseal(key, change)
          })
      }
      const last = Option.getOrThrow(yield* Stream.runLast(TokenRotation.rotate(racing, both)))
      assert.deepStrictEqual([last.moved, last.skipped], [0, 1])
      const record = yield* Effect.flatten(live.load("live"))
      assert.strictEqual(record.tokens && Redacted.value(record.tokens.accessToken), "newer")
      assert.strictEqual(record.generation, generation + 1)
      assert.isDefined(old)
    })
  )

  it.effect("seals what was written with encryption off only where that is asked for (P12)", () =>
    Effect.gen(function* () {
      const { backend, both, sealed } = yield* rowsOf
      yield* TokenStore.make(backend).put("plain", TOKENS, undefined)
      const store = TokenStore.make(backend, { cipher: both })
      assert.strictEqual((yield* Effect.flip(store.load("plain"))).reason, "undecryptable")
      const refused = Option.getOrThrow(yield* Stream.runLast(TokenRotation.rotate(sealed, both)))
      assert.deepStrictEqual([refused.undecryptable, refused.setAside], [1, ["plain"]])
      const asked = Option.getOrThrow(yield* Stream.runLast(TokenRotation.rotate(sealed, both, { plain: true })))
      assert.strictEqual(asked.moved, 1)
      assert.isTrue(Option.isSome(yield* store.load("plain")))
      assert.deepStrictEqual(yield* TokenRotation.report(sealed), [{ keyId: "new", rows: 1 }])
    })
  )
})

/** What a store with ciphertexts offers, over the operations of one that knows of none. */
const sealedRows = (backend: TokenStoreBackend): SealedRows => {
  const all = Effect.map(
    backend.page?.({ after: undefined, limit: 1_000 }) ?? Effect.succeed({ now: 0, rows: [] }),
    ({ rows }) =>
      rows.flatMap(({ key, row: { generation, payload } }) =>
        payload === undefined ? [] : [{ key, generation, payload }]
      )
  )
  const keyId = ({ payload }: { readonly payload: string }) => Option.getOrUndefined(TokenCipher.keyId(payload))
  return {
    page: ({ after = "", except, limit }) =>
      Effect.map(all, (rows) => rows.filter((row) => row.key > after && keyId(row) !== except).slice(0, limit)),
    reseal: Effect.fnUntraced(function* (key, { from, generation, to }) {
      const { row } = yield* backend.load(key)
      if (row?.generation !== generation || row.payload !== from) return false
      return yield* backend.put(key, { expected: generation, generation, payload: to, dueIn: undefined })
    }),
    count: Effect.map(all, (rows) => {
      const counts = new Map<string | undefined, number>()
      for (const row of rows) counts.set(keyId(row), (counts.get(keyId(row)) ?? 0) + 1)
      return [...counts].map(([keyId, rows]) => ({ keyId, rows }))
    })
  }
}
