import { assert, describe, it } from "@effect/vitest"
import { RefreshPolicy, type TokenError, TokenProvider, TokenSet, TokenSource, TokenStore } from "@evertoken/core"
import type { StoredRow, TokenStoreBackend } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, Effect, Exit, FastCheck, Option, Redacted, Scope, Stream } from "effect"
import { contained, Dice, EPOCH, Machine, World } from "../src/testing/World.js"

// What a store gives back is data from outside: it may be garbled, cut, or written by something else.
describe("rows from the store", () => {
  it("P6, P11: whatever a row holds, a caller gets a token or a typed error in time, and no secret is told", () => {
    const property = FastCheck.property(FastCheck.array(anyRow, { minLength: 1, maxLength: 3 }), (rows) => {
      const { answer, defects, told } = ask(rows)
      assert.isDefined(answer, "no answer within the bound")
      assert.deepStrictEqual(defects, [])
      assert.notInclude(told, SECRET)
    })
    FastCheck.assert(property, { numRuns: 300 })
  })

  it("P6: a generation that cannot be counted on from is an error, not a loop of requests", () => {
    const { answer } = ask([{ ...row, generation: 1e300, payload: good }])
    assert.propertyVal(answer, "reason", "corrupt")
  })

  it("P6: a store that neither gives nor refuses the lease is asked now and then, and given up in time", () => {
    const { answer, asked } = ask([{ ...row, payload: ended }])
    assert.isDefined(answer)
    assert.isBelow(asked, 300)
  })

  it("P6: a row whose generation goes back and forth is looked at now and then, and given up in time", () => {
    const { answer, asked, defects } = ask([1, 0].map((generation) => ({ ...row, generation, payload: good })))
    assert.isDefined(answer)
    assert.deepStrictEqual(defects, [])
    assert.isBelow(asked, 2_000)
  })

  it("a payload that cannot be read is an error and is left as it is", () => {
    const { answer, written } = ask([{ ...row, payload: `{"accessToken":"${SECRET}` }])
    assert.propertyVal(answer, "_tag", "TokenStoreError")
    assert.propertyVal(answer, "reason", "corrupt")
    assert.deepStrictEqual(written, [])
  })
})

const SECRET = "s3cr3t"

const row: StoredRow = {
  generation: 7,
  payload: undefined,
  leaseOwner: undefined,
  leaseUntil: undefined,
  leasedAt: undefined,
  intentOwner: undefined,
  intentAt: undefined,
  dueAt: undefined,
  scheduledAt: undefined,
  claims: 0,
  failures: 0,
  retryAt: undefined,
  dead: false,
  failure: undefined,
  refreshedAt: undefined,
  failedAt: undefined
}

const { anything, array, boolean, constant, constantFrom, double, integer, jsonValue, oneof, option, record, string } =
  FastCheck

const good = TokenSet.encode(
  TokenSet.make({ accessToken: SECRET, refreshToken: SECRET, expiresAt: EPOCH + 3_600_000, obtainedAt: EPOCH })
)
const ended = TokenSet.encode(TokenSet.make({ accessToken: SECRET, refreshToken: SECRET, expiresAt: EPOCH - 1 }))
const field = oneof(jsonValue(), constant(SECRET), double(), constant("9".repeat(400)))
const tokens = record(
  {
    accessToken: oneof(constant(SECRET), field),
    tokenType: oneof(constant("Bearer"), field),
    expiresAt: oneof(integer({ min: EPOCH - 10_000, max: EPOCH + 10_000 }), field),
    obtainedAt: field,
    refreshToken: oneof(constant(SECRET), field),
    refreshTokenExpiresAt: field,
    scopes: oneof(array(string()), field),
    extra: oneof(constant({}), jsonValue()),
    proofKey: field
  },
  { requiredKeys: [] }
)
const payload = oneof(
  constant(good),
  FastCheck.tuple(integer({ min: 0, max: good.length }), integer({ min: 0, max: good.length }), string()).map(
    ([from, to, garbage]) => good.slice(0, from) + garbage + good.slice(to)
  ),
  tokens.map((value) => JSON.stringify(value)),
  jsonValue().map((value) => JSON.stringify(value)),
  string(),
  constant(`${"[".repeat(20_000)}${"]".repeat(20_000)}`),
  constant(`{"accessToken":"${SECRET.repeat(20_000)}","tokenType":"Bearer","extra":{}}`),
  anything().map((value) => String(Object.prototype.toString.call(value)))
)
const instant = option(
  oneof(integer({ min: EPOCH - 20_000, max: EPOCH + 20_000 }), double(), constantFrom(0, -1, Number.NaN)),
  { nil: undefined }
)
const anyRow = record({
  generation: oneof(integer({ min: 0, max: 9 }), double()),
  payload: option(payload, { nil: undefined, freq: 10 }),
  leaseOwner: option(constantFrom("mine", "theirs", ""), { nil: undefined }),
  leaseUntil: instant,
  intentOwner: option(constantFrom("mine", "theirs", ""), { nil: undefined }),
  intentAt: instant,
  leasedAt: instant,
  dueAt: instant,
  scheduledAt: instant,
  claims: oneof(integer({ min: 0, max: 5 }), constantFrom(-1, Number.NaN)),
  failures: oneof(integer({ min: 0, max: 5 }), constantFrom(-1, 1e9, Number.NaN, Number.POSITIVE_INFINITY)),
  retryAt: instant,
  dead: boolean(),
  failure: option(
    oneof(
      string(),
      jsonValue().map((value) => JSON.stringify(value)),
      record({
        by: constantFrom("login", "refresh", "x"),
        tag: constantFrom("GrantRejected", "x"),
        code: string()
      }).map((value) => JSON.stringify(value))
    ),
    { nil: undefined }
  ),
  refreshedAt: instant,
  failedAt: instant
})

/** Asks for a token from a store that gives these rows, one after the other, in virtual time. */
const ask = (rows: ReadonlyArray<StoredRow>) =>
  contained(() => {
    const world = new World(new Dice(1), false)
    const machine = new Machine(world, "p", 0, "seed")
    const written: Array<string> = []
    const backend: TokenStoreBackend = Effect.runSync(MemoryTokenStore.backend())
    let at = 0
    const next = () => ({ now: EPOCH + Math.floor(world.now), row: rows[at++ % rows.length] })
    const store = TokenStore.make({
      ...backend,
      load: () => Effect.sync(next),
      lease: (_, { owner }) =>
        Effect.sync(() => {
          const { now, row } = next()
          return { now, row: row?.leaseOwner === "mine" ? { ...row, leaseOwner: owner } : row }
        }),
      commit: () => Effect.sync(() => written.push("commit") > 0),
      fail: () => Effect.sync(() => written.push("fail") > 0)
    })
    let answer: unknown
    const defects: Array<string> = []
    const told: Array<string> = []
    const tell = (exit: Exit.Exit<unknown, TokenError>) => {
      if (Exit.isSuccess(exit)) return exit.value
      const error = Cause.failureOption(exit.cause)
      if (Option.isNone(error)) defects.push(Cause.pretty(exit.cause))
      told.push(Cause.pretty(exit.cause), JSON.stringify(exit))
      return Option.getOrUndefined(error)
    }
    machine.run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const fresh = Effect.succeed(TokenSet.make({ accessToken: "fresh", expiresIn: "1 hour" }))
        const source = TokenSource.make({ refresh: () => fresh })
        const provider = yield* TokenProvider.make({ key: "k", source, policy: RefreshPolicy.make() }).pipe(
          Effect.provideService(TokenStore, store),
          Scope.extend(scope)
        )
        yield* Effect.forkIn(
          Stream.runForEach(provider.events, (event) => Effect.sync(() => told.push(JSON.stringify(event)))),
          scope
        )
        const exit = yield* Effect.exit(provider.get)
        answer = tell(exit)
        if (Exit.isSuccess(exit)) Redacted.value(exit.value.value)
        told.push(JSON.stringify(yield* provider.status))
        tell(yield* Effect.exit(provider.refresh))
      }).pipe(
        Effect.catchAllDefect((defect) => Effect.sync(() => void defects.push(String(defect)))),
        Effect.ignore
      )
    )
    world.run(70_000)
    if (world.violation !== undefined) defects.push(world.violation)
    return { answer, defects, written, asked: at, told: told.join("\n") }
  })
