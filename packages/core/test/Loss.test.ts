import { assert, describe, it } from "@effect/vitest"
import {
  type DurationOption,
  RefreshPolicy,
  type SourceError,
  TokenEndpointError,
  type TokenError,
  TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore
} from "@evertoken/core"
import { TokenCipher } from "@evertoken/core/encryption"
import { assertNoReuse, FakeTokenSource, type FakeTokenSourceOptions } from "@evertoken/core/testing"
import {
  Cause,
  Effect,
  Fiber,
  HashMap,
  Logger,
  Redacted,
  Schedule,
  ScheduleDecision,
  type Scope,
  Stream,
  TestClock
} from "effect"
import { around, presented } from "./support/Around.js"
import { type Harm, harmable } from "./support/Store.js"

// Between the answer of a token endpoint and the saved row nothing goes astray, whatever dies or is interrupted there.

const BOOM = new Error("boom, said my code")

describe("P4: a rotated pair survives", () => {
  const everywhere: ReadonlyArray<readonly [string, Harm]> = [
    ["dies", (operation, _, does) => (operation === "commit" ? Effect.die(BOOM) : does)],
    ["is interrupted", (operation, _, does) => (operation === "commit" ? Effect.interrupt : does)],
    [
      "dies after it saved",
      (operation, _, does) => (operation === "commit" ? Effect.zipRight(does, Effect.die(BOOM)) : does)
    ],
    [
      "throws",
      (operation, _, does) => {
        if (operation === "commit") throw BOOM
        return does
      }
    ]
  ]
  for (const [what, harm] of everywhere) {
    holds(`a store whose commit ${what}`, () =>
      Effect.gen(function* () {
        const { harm: hurt, heal, provider, server } = yield* loggedIn()
        hurt(harm)
        assert.strictEqual(valueOf(yield* refreshed(provider)), "access-2")
        heal()
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(valueOf(yield* refreshed(provider)), "access-3")
        assert.deepStrictEqual(presented(server), ["refresh-1", "refresh-2"])
      })
    )
  }

  holds("a key service whose client rejects as it wraps, an hour later", () =>
    Effect.gen(function* () {
      let wraps = 0
      let rejects = false
      const cipher = yield* TokenCipher.service({
        id: "kms",
        wrap: (key) =>
          Effect.promise(async () => {
            wraps++
            if (rejects) throw BOOM
            return Redacted.value(key)
          }),
        unwrap: (wrapped) => Effect.succeed(Redacted.make(wrapped))
      })
      const { provider, server } = yield* loggedIn({ cipher })
      yield* TestClock.adjust("90 minutes")
      rejects = true
      const before = wraps
      const asking = Effect.fork(Effect.either(provider.refresh))
      let getting = yield* asking
      // The first may only wait for a renewal that has wrapped its key already.
      while (wraps === before)
        getting = yield* Effect.zipRight(settle, getting.unsafePoll() === null ? Effect.succeed(getting) : asking)
      yield* settle
      rejects = false
      while (getting.unsafePoll() === null) yield* Effect.zipRight(settle, TestClock.adjust("1 second"))
      yield* settle
      assertNoReuse(server)
    })
  )

  holds("a schedule ahead that throws, and is renewed by the default then", () =>
    Effect.gen(function* () {
      let throws = false
      const ahead = Schedule.makeWithState<null, unknown, null>(null, () => {
        if (throws) throw BOOM
        return Effect.succeed([null, null, ScheduleDecision.done])
      })
      const { logs, provider, server } = yield* loggedIn({ policy: { ahead } })
      throws = true
      assert.strictEqual(valueOf(yield* refreshed(provider)), "access-2")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(valueOf(yield* refreshed(provider)), "access-3")
      yield* TestClock.adjust("59 minutes")
      yield* settle
      assert.strictEqual(server.posts(), 3)
      assert.strictEqual(server.reuses(), 0)
      assert.isTrue(logs.some(({ text }) => text.includes('"ahead"') && text.includes('"k"')))
    })
  )

  holds("a schedule retry that throws: the failure is noted, and a later attempt works", () =>
    Effect.gen(function* () {
      const retry = Schedule.makeWithState<null, unknown, null>(null, () => {
        throw BOOM
      })
      let down = true
      const { provider, server } = yield* loggedIn({
        policy: { retry },
        around: (request) => (down ? Effect.fail(new TokenEndpointError({ reason: "unavailable" })) : request)
      })
      assert.strictEqual((yield* failed(provider.refresh))._tag, "TokenEndpointError")
      down = false
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(valueOf(yield* refreshed(provider)), "access-2")
      assert.strictEqual(server.reuses(), 0)
    })
  )

  holds("one fiber a key saves, however many pairs wait for it one after the other", () =>
    Effect.gen(function* () {
      let commits = 0
      const { harm, provider } = yield* loggedIn({ policy: { ahead: Schedule.stop }, lives: "1 hour", isMute: true })
      // A new pair is not saved, nor by the fiber that goes on to save it, which rests then; the next refresh saves it.
      const harms = (isAway: () => boolean) =>
        harm((operation, _, does) => {
          if (operation !== "commit") return does
          commits++
          return isAway() ? Effect.fail("away") : does
        })
      harms(() => commits % 3 !== 0)
      for (let pair = 0; pair < 8; pair++) {
        yield* provider.refresh
        yield* TestClock.adjust(0)
      }
      assert.strictEqual(commits, 23)
      harms(() => true)
      yield* TestClock.adjust("10 seconds")
      assert.isAbove(commits - 23, 5, "somebody goes on to save")
      // After 0.1 to 0.2 seconds, and so on, up to each half a second.
      assert.isAtMost(commits - 23, 25)
    })
  )

  const endings: ReadonlyArray<readonly [string, Effect.Effect<TokenSet, SourceError>]> = [
    ["is interrupted by itself", Effect.interrupt],
    ["dies", Effect.die(BOOM)],
    ["gives what is no TokenSet", Effect.succeed(JSON.parse('{"accessToken":"a","refreshToken":"b"}'))],
    ["gives undefined", Effect.succeed(JSON.parse("{}").nothing)],
    ["fails with an error of its own", Effect.fail(JSON.parse('{"_tag":"MyError"}'))]
  ]
  for (const [what, ending] of endings) {
    holds(`a refresh that ${what} is in doubt: it is not presented again where its source forbids that`, () =>
      Effect.gen(function* () {
        let broken = true
        const { provider, server } = yield* loggedIn({
          around: (request) => (broken ? Effect.zipRight(Effect.ignore(request), ending) : request),
          traits: { replay: "never" },
          policy: { ahead: Schedule.stop },
          lives: "10 seconds"
        })
        yield* TestClock.adjust("10 seconds")
        const error = yield* failed(provider.get)
        assert.strictEqual(error._tag, "TokenSourceDefect")
        broken = false
        for (let second = 0; second < 30; second++) {
          yield* Effect.fork(Effect.either(provider.get))
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(presented(server), ["refresh-1"])
        assert.strictEqual((yield* failed(provider.get))._tag, "RefreshInDoubt")
      })
    )
  }
})

describe("P13: a bug in the source", () => {
  const bugs: ReadonlyArray<readonly [string, () => Effect.Effect<TokenSet, SourceError>]> = [
    [
      "throws",
      () =>
        Effect.sync(() => {
          throw BOOM
        })
    ],
    ["dies", () => Effect.die(BOOM)],
    ["is a promise that rejects", () => Effect.promise(() => Promise.reject(BOOM))],
    ["fails with an error of its own", () => Effect.fail(JSON.parse('{"_tag":"MyError"}'))],
    ["gives what is no TokenSet", () => Effect.succeed(JSON.parse('{"accessToken":"a"}'))],
    ["interrupts itself", () => Effect.interrupt]
  ]
  for (const [what, bug] of bugs) {
    holds(`that ${what} ends the call at once, is logged once with its cause, and heals`, () =>
      Effect.gen(function* () {
        let calls = 0
        let broken = true
        const { logs, logger } = logging()
        const source = TokenSource.make({
          login: Effect.suspend(() => {
            calls++
            return broken ? bug() : Effect.succeed(TokenSet.make({ accessToken: "good", expiresIn: "1 hour" }))
          })
        })
        yield* Effect.gen(function* () {
          const provider = yield* TokenProvider.make({ key: "k", source })
          const error = yield* Effect.flip(provider.get) // the clock stands still
          assert.strictEqual(error._tag, "TokenSourceDefect")
          assert.include(error.message, '"k"')
          assert.include(error.message, "bug")
          assert.notInclude(error.message, BOOM.message)
          if (error._tag === "TokenSourceDefect" && ["throws", "dies", "is a promise that rejects"].includes(what)) {
            assert.strictEqual(error.cause, BOOM)
          }
          const [log, ...more] = logs.filter(({ text }) => text.includes('"k"'))
          assert.lengthOf(more, 0)
          if (what === "throws") assert.include(log?.cause ?? "", "boom, said my code")
          for (let second = 0; second < 30; second++) {
            assert.strictEqual((yield* failed(provider.get))._tag, "TokenSourceDefect")
            yield* TestClock.adjust("1 second")
          }
          assert.isAtMost(calls, 6)
          assert.lengthOf(
            logs.filter(({ text }) => text.includes('"k"')),
            1
          )
          broken = false
          yield* TestClock.adjust("5 minutes")
          assert.strictEqual(valueOf(yield* provider.get), "good")
        }).pipe(
          Effect.provide(logger),
          Effect.provideServiceEffect(
            TokenStore,
            Effect.map(harmable(), ({ store }) => store)
          )
        )
      })
    )
  }
})

holds("P8: one hint that cannot be followed ends no watch: other keys still hear of a logout elsewhere", () =>
  Effect.gen(function* () {
    let dies = false
    const cipher: TokenCipher["Type"] = {
      current: Effect.succeed("none"),
      seal: (payload) => Effect.succeed(payload),
      open: (sealed, { key }) => (dies && key === "bad" ? Effect.die(BOOM) : Effect.succeed(sealed))
    }
    const { backend, store } = yield* harmable({ cipher })
    const pool = (use: TokenStore["Type"]) =>
      Effect.provideService(
        TokenProviders.make({
          source: () =>
            TokenSource.make({ login: Effect.succeed(TokenSet.make({ accessToken: "a", expiresIn: "1 hour" })) })
        }),
        TokenStore,
        use
      )
    const here = yield* pool(store)
    const elsewhere = yield* pool(TokenStore.make(backend))
    for (const key of ["bad", "good"]) yield* here.get(key)
    dies = true
    const token = yield* elsewhere.get("bad")
    yield* (yield* elsewhere.of("bad")).put(TokenSet.make({ accessToken: "b", expiresIn: "1 hour" }))
    yield* settle
    yield* (yield* elsewhere.of("good")).forget
    const good = yield* here.of("good")
    while ((yield* good.status).generation !== undefined) yield* settle
    assert.isAbove((yield* here.get("good")).generation, token.generation - 1)
  })
)

/** A provider whose first tokens are put, on a store that can be harmed. */
interface Setting {
  readonly cipher?: TokenCipher["Type"]
  readonly policy?: Parameters<typeof RefreshPolicy.make>[0]
  readonly lives?: DurationOption
  readonly around?: (request: Effect.Effect<TokenSet, SourceError>) => Effect.Effect<TokenSet, SourceError>
  readonly traits?: Pick<FakeTokenSourceOptions, "replay">
  /** Whether the store cannot tell of changes. */
  readonly isMute?: boolean
}

function loggedIn(setting: Setting = {}) {
  return Effect.gen(function* () {
    const { logs, logger } = logging()
    const server = FakeTokenSource.make({ canLogin: false, expiresIn: setting.lives, ...setting.traits })
    const { harm, heal, store } = yield* harmable(setting.cipher === undefined ? {} : { cipher: setting.cipher })
    const provider = yield* TokenProvider.make({
      key: "k",
      source: around(server, setting.around),
      policy: RefreshPolicy.make({ ...setting.policy })
    }).pipe(
      Effect.provideService(TokenStore, setting.isMute === true ? { ...store, changes: Stream.never } : store),
      Effect.provide(logger)
    )
    yield* provider.put(server.login())
    return { provider, server, harm, heal, logs, store }
  })
}

function logging() {
  const logs: Array<{ readonly text: string; readonly cause: string }> = []
  const logger = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ annotations, cause, message }) => {
      const text = Array.isArray(message) ? message.join(" ") : String(message)
      logs.push({ text: `${text} ${HashMap.size(annotations)}`, cause: Cause.pretty(cause) })
    })
  )
  return { logs, logger }
}

/** Lets promises and fibers go on that need no clock. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 5)))

const valueOf = ({ value }: { readonly value: Redacted.Redacted }) => Redacted.value(value)

const failed = (call: Effect.Effect<unknown, TokenError>) =>
  Effect.gen(function* () {
    const calling = yield* Effect.fork(Effect.flip(call))
    yield* TestClock.adjust("1 millis")
    return yield* Fiber.join(calling)
  })

const refreshed = (provider: TokenProvider["Type"]) =>
  Effect.gen(function* () {
    const refreshing = yield* Effect.fork(provider.refresh)
    yield* TestClock.adjust("3 seconds")
    return yield* Fiber.join(refreshing)
  })

function holds(title: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) {
  it.scoped(title, test)
}
