// worker/: Refreshes what is due in the store, whether or not somebody asks.
// May import provider/, store/ and model/.
// Must not know of HTTP and token endpoints.
// Longer than 200 lines: claims, places and rounds are one mechanism.

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Checks, checkOptions, type DurationOption, integer, positive, service } from "../model/Options.js"
import type { InvalidOption, TokenStoreError } from "../model/TokenError.js"
import { claims, outcomes } from "../model/TokenMetrics.js"
import { tokenStore } from "../provider/TokenCache.js"
import {
  providersChecks,
  type Renewal,
  TokenProviders,
  type TokenProvidersOptions
} from "../provider/TokenProviders.js"
import { TokenStore } from "../store/TokenStore.js"
import type { TokenChange } from "../store/TokenStoreBackend.js"
import { type Outcome, WorkerSummary } from "./WorkerSummary.js"
import { WorkerTally } from "./WorkerTally.js"

/**
 * Keeps every token in the store fresh ahead of time, also those that nobody asks for. Any number of workers run beside
 * each other; what one of them had claimed when it was killed, another renews one lease later.
 */
export class TokenWorker extends Context.Tag("@evertoken/core/TokenWorker")<
  TokenWorker,
  {
    /** What it has done since it started. */
    readonly summary: Effect.Effect<WorkerSummary>
  }
>() {
  /**
   * A worker of its own, at work until the scope closes.
   *
   * @example
   * ```ts
   * const worker = yield* TokenWorker.make({
   *   source: (tenant) => OAuth2.refreshToken({ tokenEndpoint: `https://${tenant}.example.com/token`, clientId: "app" }),
   *   concurrency: 20
   * })
   * const { renewed, failed } = yield* worker.summary
   * ```
   */
  static readonly make = <E, R>(
    options: TokenWorkerOptions<E, R>
  ): Effect.Effect<TokenWorker["Type"], InvalidOption, TokenStore | Scope.Scope | R> =>
    Effect.flatMap(providing(options, "1 minute"), (providers) =>
      Effect.provideService(TokenWorker.beside(claiming(options)), TokenProviders, providers)
    )

  /** `make` as a layer. */
  static readonly layer = <E, R>(
    options: TokenWorkerOptions<E, R>
  ): Layer.Layer<TokenWorker, InvalidOption, TokenStore | Exclude<R, Scope.Scope>> =>
    Layer.scoped(TokenWorker, TokenWorker.make(options))

  /** A worker that renews through the providers at hand, so that what it fetches is in their memory at once. */
  static readonly beside = (
    options: WorkOptions = {}
  ): Effect.Effect<TokenWorker["Type"], InvalidOption, TokenProviders | TokenStore | Scope.Scope> =>
    Effect.gen(function* () {
      yield* checkOptions(options, workChecks)
      const crew = yield* makeCrew(options)
      const tally = new WorkerTally(yield* Clock.currentTimeMillis)
      // A round that finds more due than it could take is followed by the next as soon as there is room.
      const round = crew.rounds((outcome) => tally.add(outcome))
      const loop = round.pipe(
        Effect.catchAllCause((cause) => Effect.logWarning("The worker could not claim what is due; it goes on", cause)),
        Effect.repeat(Schedule.jittered(Schedule.spaced(options.every ?? "5 seconds")))
      )
      yield* Effect.forkScoped(loop)
      yield* Effect.forkScoped(settling(tally))
      return { summary: Effect.sync(() => tally.summary()) }
    })

  /** Renews all that is due now and comes back: for cron and timer triggers. */
  static readonly runOnce = <E, R>(
    options: TokenWorkerOptions<E, R>
  ): Effect.Effect<WorkerSummary, InvalidOption | TokenStoreError, TokenStore | Exclude<R, Scope.Scope>> =>
    Effect.gen(function* () {
      const providers = yield* providing(options)
      const crew = yield* Effect.provideService(makeCrew(claiming(options)), TokenProviders, providers)
      const seen = new Set<string>()
      const tally = new WorkerTally(yield* Clock.currentTimeMillis)
      yield* crew.rounds((outcome) => tally.add(outcome), seen)
      yield* crew.idle
      return tally.summary(yield* Clock.currentTimeMillis)
    }).pipe(Effect.scoped)
}

/** How a worker works. */
export interface WorkOptions {
  /**
   * How many keys are renewed at a time. Those that take long do not count, up to sixteen times as many.
   * @default 32
   */
  readonly concurrency?: number | undefined
  /**
   * How often to look for what is due.
   * @default "5 seconds"
   */
  readonly every?: DurationOption | undefined
  /**
   * For how long nobody else is given what a worker claims: what its crash costs.
   * @default the policy's lease, else "10 seconds"
   */
  readonly claim?: DurationOption | undefined
}

/** What `TokenWorker.layer` and `TokenWorker.runOnce` take. */
export interface TokenWorkerOptions<E = never, R = never> extends TokenProvidersOptions<E, R>, WorkOptions {}

/** What each option of `TokenWorker.beside` has to be. */
export const workChecks = {
  concurrency: integer(1, 10_000),
  every: positive,
  claim: positive
} satisfies Checks<WorkOptions>

/** What each option of `TokenWorker.layer` has to be. */
export const workerChecks = { ...providersChecks, ...workChecks } satisfies Checks<TokenWorkerOptions>

const providing = <E, R>(options: TokenWorkerOptions<E, R>, otherwise?: DurationOption) =>
  Effect.zipRight(
    checkOptions(options, workerChecks),
    Effect.suspend(() => {
      const { idle = otherwise, policy, source } = options
      return TokenProviders.make({ idle, policy, source })
    })
  )

const claiming = <E, R>({ claim, concurrency, every, policy }: TokenWorkerOptions<E, R>): WorkOptions => ({
  claim: claim ?? policy?.lease,
  concurrency,
  every
})

const makeCrew = Effect.fnUntraced(function* (options: WorkOptions) {
  const store = yield* tokenStore
  const providers = yield* service(TokenProviders, "a layer below that gives it: TokenProviders.layer({ source })")
  const { concurrency = 32 } = options
  const lasts = Duration.toMillis(options.claim ?? "10 seconds")
  const places = yield* Effect.makeSemaphore(concurrency)
  const crew = yield* FiberSet.make<void>()
  const busy = new Set<string>()
  const strays = new Set<string>()
  let taken = 0

  const renew = ({ generation, key }: TokenChange, note: (outcome: Outcome) => void) =>
    providers.renew(key, generation).pipe(
      Effect.match({
        onSuccess: ({ by, endsAt }: Renewal): Outcome => ({
          _tag: by === "elsewhere" ? "Adopted" : "Renewed",
          key,
          endsAt
        }),
        onFailure: (error): Outcome => ({ _tag: "Failed", key, generation, error })
      }),
      Effect.tap(stray),
      Effect.tap((outcome) => {
        note(outcome)
        return Metric.increment(Metric.tagged(outcomes, "outcome", labelOf(outcome)))
      }),
      Effect.ensuring(Effect.sync(() => busy.delete(key)))
    )

  /** What has no source is told of once. Its row stays as it is, and is claimed less and less often. */
  const stray = (outcome: Outcome) =>
    Effect.suspend(() => {
      const { key } = outcome
      if (outcome._tag !== "Failed" || outcome.error._tag !== "NoSource") return Effect.sync(() => strays.delete(key))
      if (strays.has(key)) return Effect.void
      strays.add(key)
      return Effect.logWarning(`${outcome.error.message}. It is not renewed; its row stays as it is`)
    })

  /** Keeps a place until the key is renewed, but no longer than a quick one takes: a slow endpoint holds up no others. */
  const work = (claimed: TokenChange, note: (outcome: Outcome) => void) =>
    Effect.gen(function* () {
      const renewing = yield* Effect.fork(renew(claimed, note))
      yield* places.withPermits(1)(Effect.raceFirst(Effect.exit(renewing.await), Effect.sleep(QUICK)))
      taken--
      yield* renewing.await
    })

  /** Claims as much as there is room for; true where more may be due. Leaves alone what it has `seen`. */
  const round = Effect.fn("TokenWorker.round")(function* (
    note: (outcome: Outcome) => void,
    seen: Set<string> | undefined,
    latest: boolean
  ) {
    const limit = Math.min(concurrency - taken, concurrency * SLOW - busy.size)
    if (limit < 1) return yield* Effect.as(Effect.sleep(QUICK), true)
    const claimed = yield* store.due({ limit, lasts, latest })
    yield* Metric.incrementBy(claims, claimed.length)
    const news = claimed.filter(({ key }) => !busy.has(key) && seen?.has(key) !== true)
    for (const one of news) {
      busy.add(one.key)
      seen?.add(one.key)
      taken++
      yield* FiberSet.run(crew, work(one, note))
    }
    if (claimed.length < limit || news.length === 0) return false
    // Whoever is claimed starts at once, so the next claim waits until half of the places are free.
    yield* Effect.yieldNow()
    yield* places.withPermits(Math.ceil(concurrency / 2))(Effect.void)
    return true
  })

  /**
   * Claims until nothing more is due. Where more is due than there is room for, every other round takes what came due
   * last and was not claimed in vain, so that what was due for long, and may be beyond help, holds up nobody else; where
   * there is little of that, every fifth.
   */
  const rounds = (note: (outcome: Outcome) => void, seen?: Set<string>) =>
    Effect.iterate(
      { more: true, older: 1 },
      {
        while: ({ more }) => more,
        body: ({ older }) =>
          Effect.map(round(note, seen, older === 0), (more) =>
            older === 0 ? { more: true, older: more ? 1 : 4 } : { more, older: older - 1 }
          )
      }
    )

  return { rounds, idle: FiberSet.awaitEmpty(crew) }
})

/** Forgets what a worker knows of keys that were logged in or out meanwhile, whoever did it. */
const settling = Effect.fnUntraced(function* (tally: WorkerTally) {
  const [providers, store] = [yield* TokenProviders, yield* TokenStore]
  const here = Stream.runForEach(providers.events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Put" || event._tag === "Forgotten") tally.settle(event.key)
    })
  )
  const elsewhere = Stream.runForEach(store.changes, ({ generation, key }) =>
    Effect.sync(() => (generation === 0 ? tally.settle(key) : tally.hear(key, generation)))
  )
  yield* Effect.all([here, elsewhere], { concurrency: 2, discard: true })
})

const QUICK = Duration.toMillis("1 second")
const SLOW = 16

/** How metrics name an outcome. */
const labelOf = (outcome: Outcome): string =>
  outcome._tag === "Failed" ? outcome.error._tag : outcome._tag.toLowerCase()
