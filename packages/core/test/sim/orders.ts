import { assert, describe, it } from "@effect/vitest"
import { type TokenProvider, TokenProviders, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, Clock, Effect, Exit, Option, Random, Redacted } from "effect"
import { contained, Dice, Machine, World } from "../../src/testing/World.js"

const BATCH = 100

/** The rounds of the seeds `from` to `to`. */
export const orders = (from: number, to: number): void => {
  describe("P10: calls in any order, on a store that answers late and in any order", () => {
    describe("what is handed out is what the row says, and nobody gets what began before a logout or a newer login", () => {
      for (let first = from; first <= to; first += BATCH) {
        it(`seeds ${first} to ${first + BATCH - 1}`, async () => {
          for (let seed = first; seed < first + BATCH; seed++) {
            assert.deepStrictEqual(round(seed), [], `seed ${seed}`)
            await new Promise(setImmediate) // lets vitest hear from this worker
          }
        })
      }
    })
  })
}

const CALLS = ["put", "put", "forget", "refresh", "get", "reject"] as const

interface Call {
  readonly kind: (typeof CALLS)[number] | "last"
  readonly name: string
  readonly from: number
  readonly to: number
  readonly exit: Exit.Exit<unknown, unknown>
}

/** One round of four calls; what went wrong in it. */
const round = (seed: number): ReadonlyArray<string> => {
  const dice = new Dice(seed)
  const kinds = [...CALLS]
  const chosen = Array.from({ length: 4 }, () => {
    const [kind = "get"] = kinds.splice(dice.int(kinds.length), 1)
    return { kind, at: dice.int(4_000) }
  })
  const handles = dice.int(2) === 0 ? 1 : 2
  let refreshes = 0
  const source = TokenSource.make({
    refresh: ({ refreshToken }) =>
      Effect.gen(function* () {
        yield* slowly(4_000)
        const [login] = (refreshToken === undefined ? "" : Redacted.value(refreshToken)).split(".")
        return tokens(`${login}.${++refreshes}`)
      })
  })
  const calls: Array<Call> = []
  const note = (kind: Call["kind"], name: string, call: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      const from = yield* Clock.currentTimeMillis
      const exit = yield* Effect.exit(call)
      calls.push({ kind, name, from, to: yield* Clock.currentTimeMillis, exit })
    })
  const act = (provider: TokenProvider["Type"], kind: Call["kind"], name: string) => {
    if (kind === "put") return note(kind, name, provider.put(tokens(name)))
    if (kind === "forget") return note(kind, name, provider.forget)
    if (kind === "refresh") return note(kind, name, provider.refresh)
    if (kind === "reject") return note(kind, name, Effect.flatMap(provider.get, provider.reject))
    return note(kind, name, provider.get)
  }
  const program = Effect.gen(function* () {
    const store = yield* TokenStore
    const pool = yield* TokenProviders.make({ source: () => source, idle: handles === 1 ? "1 day" : "10 seconds" })
    const provider = yield* pool.of("k")
    yield* provider.put(tokens("old"))
    // A handle that was taken before its key was let go of, and one taken after.
    if (handles === 2) yield* Effect.sleep("15 seconds")
    const other = handles === 1 ? provider : yield* pool.of("k")
    yield* Effect.forEach(
      chosen,
      ({ at, kind }, index) => Effect.delay(act(index % 2 === 0 ? provider : other, kind, `login${index}`), at),
      { concurrency: "unbounded" }
    )
    yield* Effect.sleep("20 seconds")
    yield* act(provider, "last", "")
    yield* act(other, "last", "")
    return Option.getOrUndefined(yield* store.load("k"))?.tokens
  }).pipe(Effect.scoped, Effect.provideServiceEffect(TokenStore, slowStore))
  const exit = contained(() => {
    const world = new World(dice, false)
    const running = new Machine(world, "m", 0, String(seed)).run(program)
    world.run(600_000)
    if (world.violation !== undefined) throw new Error(world.violation)
    return running.unsafePoll()
  })
  if (exit === null || Exit.isFailure(exit)) return [`it did not end: ${exit === null ? "" : Cause.pretty(exit.cause)}`]
  return judge(calls, exit.value)
}

const judge = (calls: ReadonlyArray<Call>, row: TokenSet | undefined): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const forgets = calls.filter(({ kind, exit }) => kind === "forget" && Exit.isSuccess(exit))
  const puts = calls.filter(({ kind, exit }) => kind === "put" && Exit.isSuccess(exit))
  for (const { exit, from, kind, to } of calls) {
    const token = Exit.isSuccess(exit) ? value(exit.value) : undefined
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
    if (kind === "put" || kind === "forget") {
      if (Exit.isFailure(exit)) wrong.push(`${kind} failed: ${Cause.pretty(exit.cause)}`)
      continue
    }
    if (kind === "last" && token !== (row && Redacted.value(row.accessToken))) {
      wrong.push(`${token ?? tag(error)} at last, and the row has ${row ? Redacted.value(row.accessToken) : "gone"}`)
    }
    if (token !== undefined) {
      const [login] = token.split(".")
      const put = puts.find(({ name }) => name === login)
      if (forgets.some((forget) => forget.to < from && (put === undefined || put.to < forget.from))) {
        wrong.push(`${kind} gave ${token} after a logout`)
      }
    } else if (tag(error) === "ReauthorizationRequired") {
      const standing = puts.some((put) => put.to < from && forgets.every((forget) => forget.to < put.from))
      if (standing || !forgets.some((forget) => forget.from <= to)) wrong.push(`${kind} failed after a login`)
    } else if (error !== undefined) wrong.push(`${kind} failed: ${tag(error)}`)
  }
  return wrong
}

const tokens = (name: string) =>
  TokenSet.make({ accessToken: name, refreshToken: name, expiresIn: name.length % 2 === 0 ? "10 minutes" : "1 hour" })

const slowly = (most: number) =>
  Effect.flatMap(Random.nextIntBetween(0, most), (millis) => (millis < most / 4 ? Effect.void : Effect.sleep(millis)))

/** A store that does late what it is asked, and answers late. */
const slowStore = Effect.map(MemoryTokenStore.backend(), (backend) => {
  const slow = <A, E>(effect: Effect.Effect<A, E>) => Effect.zipLeft(Effect.zipRight(slowly(800), effect), slowly(800))
  return TokenStore.make({
    ...backend,
    load: (key) => slow(backend.load(key)),
    put: (key, row) => slow(backend.put(key, row)),
    lease: (key, request) => slow(backend.lease(key, request)),
    renew: (key, owner, lasts) => slow(backend.renew(key, owner, lasts)),
    commit: (key, result) => slow(backend.commit(key, result)),
    fail: (key, result) => slow(backend.fail(key, result)),
    remove: (key) => slow(backend.remove(key))
  })
})

const value = (result: unknown): string | undefined =>
  typeof result === "object" && result !== null && "value" in result && Redacted.isRedacted(result.value)
    ? String(Redacted.value(result.value))
    : undefined

const tag = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)
