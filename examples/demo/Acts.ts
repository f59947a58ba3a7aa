import { HttpClient } from "@effect/platform"
import { type Authority, clients, unavailable } from "@evertoken/authority"
import {
  type InvalidOption,
  OAuth2,
  RefreshPolicy,
  TokenHttpClient,
  TokenProvider,
  TokenSet,
  type TokenStore
} from "@evertoken/core"
import { Effect, type Layer, Redacted, Schedule } from "effect"

/** What an act may touch. */
export interface Stage {
  readonly authority: Authority["Type"]
  readonly api: string
  /** Says that `count` calls were made, and how they ended. */
  readonly called: (count: number, ok: boolean) => Effect.Effect<void>
}

type Provider = Layer.Layer<TokenProvider, InvalidOption, TokenStore | HttpClient.HttpClient>

/** One thing the demo shows: a provider, what is done with it, and what the server's log has to say then. */
export interface Act {
  readonly title: string
  readonly about: string
  /** How long it takes, in milliseconds. */
  readonly length: number
  readonly provider: (stage: Stage) => Provider
  readonly play: (stage: Stage) => Effect.Effect<void, unknown, TokenProvider | HttpClient.HttpClient>
  readonly checks: (seen: Seen) => ReadonlyArray<Check>
}

/** What came of an act: all from the authorization server's own log, but for what the program says of its calls. */
export interface Seen {
  readonly issued: number
  readonly unavailable: number
  readonly alarms: number
  /** How often the API asked about a token that was alive. */
  readonly alive: number
  /** How often it asked about one that was not. */
  readonly dead: number
  readonly succeeded: number
  readonly failed: number
}

/** A line of the table at the end. */
export interface Check {
  readonly what: string
  readonly expected: number
  readonly seen: number
}

/** A client whose tokens live for two seconds. */
export const reports = { clientId: "reports", clientSecret: Redacted.make("reports-secret") }

/** A program that asks with its own credentials, as in the README. */
const billing = (stage: Stage) =>
  TokenProvider.layer({
    key: "billing",
    source: OAuth2.clientCredentials({ tokenEndpoint: stage.authority.tokenEndpoint, ...clients.billing }),
    policy: RefreshPolicy.make({
      ahead: RefreshPolicy.beforeExpiry("5 minutes"),
      retry: Schedule.exponential("100 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(4))),
      unauthorized: Schedule.recurs(1)
    })
  })

/** One call after another to the protected API, twenty a second. */
const calls = (stage: Stage, millis: number) =>
  Effect.gen(function* () {
    const http = HttpClient.filterStatusOk(yield* TokenHttpClient.make({ origins: [stage.api] }))
    const call = http.get(`${stage.api}/invoices`).pipe(
      Effect.flatMap((response) => response.json),
      Effect.matchEffect({ onFailure: () => stage.called(1, false), onSuccess: () => stage.called(1, true) })
    )
    yield* Effect.repeat(call, Schedule.fixed("50 millis").pipe(Schedule.upTo(millis)))
  })

export const acts: ReadonlyArray<Act> = [
  {
    title: "1  Renewed before they expire.",
    about: "Tokens live 6 seconds; the program calls on.",
    length: 7_200,
    provider: billing,
    play: (stage) => calls(stage, 7_200),
    checks: (seen) => [
      { what: "tokens issued", expected: 3, seen: seen.issued },
      { what: "calls that showed a living token", expected: seen.succeeded + seen.failed, seen: seen.alive },
      { what: "calls that showed a dead one", expected: 0, seen: seen.dead }
    ]
  },
  {
    title: "2  Revoked at the server.",
    about: "One 401, one refresh, and the call is made again.",
    length: 2_600,
    provider: (stage) =>
      TokenProvider.layer({
        key: "alice",
        source: OAuth2.refreshToken({ tokenEndpoint: stage.authority.tokenEndpoint, ...clients.app })
      }),
    play: (stage) =>
      Effect.gen(function* () {
        const provider = yield* TokenProvider
        yield* provider.put(TokenSet.make(yield* stage.authority.mint()))
        const revoke = Effect.flatMap(provider.get, (token) => stage.authority.revoke(token.value))
        yield* Effect.all([calls(stage, 2_600), Effect.delay(revoke, "1 second")], { concurrency: 2 })
      }),
    checks: (seen) => [
      { what: "calls that showed a dead token", expected: 1, seen: seen.dead },
      { what: "refreshes", expected: 1, seen: seen.issued },
      { what: "calls that failed", expected: 0, seen: seen.failed },
      { what: "refresh tokens used twice", expected: 0, seen: seen.alarms }
    ]
  },
  {
    title: "3  1,000 callers at an expired token.",
    about: "One POST serves them all.",
    length: 3_000,
    provider: (stage) =>
      TokenProvider.layer({
        key: "reports",
        source: OAuth2.clientCredentials({ tokenEndpoint: stage.authority.tokenEndpoint, ...reports }),
        policy: RefreshPolicy.make({ ahead: Schedule.stop })
      }),
    play: (stage) =>
      Effect.gen(function* () {
        const provider = yield* TokenProvider
        const { generation } = yield* provider.get
        yield* Effect.sleep("2500 millis")
        const tokens = yield* Effect.all(
          Array.from({ length: 1_000 }, () => provider.get),
          { concurrency: "unbounded" }
        )
        yield* stage.called(tokens.filter((token) => token.generation > generation).length, true)
      }),
    checks: (seen) => [
      { what: "callers that got a new token", expected: 1_000, seen: seen.succeeded },
      { what: "tokens issued for them", expected: 1, seen: seen.issued - 1 }
    ]
  },
  {
    title: "4  The token endpoint fails.",
    about: "Three times 503, while the old token still holds.",
    length: 5_000,
    provider: billing,
    play: (stage) =>
      Effect.gen(function* () {
        const provider = yield* TokenProvider
        yield* provider.get
        yield* stage.authority.break(unavailable, 3)
        yield* calls(stage, 5_000)
      }),
    checks: (seen) => [
      { what: "answers of 503", expected: 3, seen: seen.unavailable },
      { what: "tokens issued", expected: 2, seen: seen.issued },
      { what: "calls that showed a dead token", expected: 0, seen: seen.dead },
      { what: "calls that failed", expected: 0, seen: seen.failed }
    ]
  }
]
