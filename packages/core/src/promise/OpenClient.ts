import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { makeCarrier } from "../http/AuthorizationHeader.js"
import { isBound } from "../http/TokenCarrier.js"
import { makeRepair } from "../http/UnauthorizedRetry.js"
import type { AccessToken } from "../model/AccessToken.js"
import { InvalidOption } from "../model/TokenError.js"
import type { TokenEvent } from "../model/TokenEvent.js"
import { hasSyncAccess, TokenAt } from "../provider/SyncAccess.js"
import { type TokenProvider, tokenProvider } from "../provider/TokenProvider.js"
import { webClient } from "./FetchAdapter.js"
import type { TokenClient, TokenClientOptions } from "./TokenClient.js"
import { tokenFetch } from "./TokenFetch.js"
import { backgroundClock } from "./UnrefClock.js"

/** A client whose provider is built. */
export interface OpenClient {
  readonly clock: Clock.Clock
  readonly provider: TokenProvider["Type"]
  readonly peek: (now: number) => AccessToken | undefined
  /** Runs an effect as a promise, until `signal` aborts it. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal | null) => Promise<A>
  /** Runs an effect in the background: its timers do not keep a process alive. */
  readonly watch: <A, E>(effect: Effect.Effect<A, E>, signal: AbortSignal) => Promise<A>
  /** Begins to tell listeners of events. */
  readonly listen: () => void
  /** The headers that carry `token`, to `url` if one is given: none where it may not go there. */
  readonly header: (
    token: AccessToken,
    url: string | undefined
  ) => Effect.Effect<Readonly<Record<string, string>>, unknown>
  readonly fetch: TokenClient["fetch"]
  readonly close: Effect.Effect<void>
}

/** Builds the provider of `layer`, for as long as nobody calls `close`. */
export const openClient = <E>(
  layer: Layer.Layer<TokenProvider, E>,
  options: TokenClientOptions,
  listeners: ReadonlySet<(event: TokenEvent) => void>
): Effect.Effect<OpenClient, E | InvalidOption> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const scope = yield* Scope.make()
    const runtime = yield* Layer.toRuntime(layer).pipe(
      Effect.withClock(backgroundClock(clock)),
      Scope.extend(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    const provider = yield* Effect.onError(Effect.provide(tokenProvider, runtime.context), (cause) =>
      Scope.close(scope, Exit.failCause(cause))
    )
    const fetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
    const repair = yield* Effect.either(makeRepair(webClient(fetch), provider, options, identity))
    const peek = hasSyncAccess(provider) ? provider[TokenAt] : () => undefined
    const telling = Stream.runForEach(provider.events, (event) =>
      Effect.forEach(listeners, (listener) => Effect.ignoreLogged(Effect.try(() => listener(event))))
    )
    let told = false
    /** Tells the listeners of events, from now on: at the first listener, so that a client without one costs nothing. */
    const listen = () => {
      if (told) return
      told = true
      Runtime.runFork(runtime)(telling, { scope })
    }
    if (listeners.size > 0) listen()

    // Callers wait by the usual clock: their timers do keep the process alive.
    const run = <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal | null): Promise<A> =>
      Runtime.runPromiseExit(runtime)(Effect.withClock(effect, clock), signal ? { signal } : undefined).then((exit) =>
        signal?.aborted === true && Exit.isFailure(exit) ? Promise.reject(signal.reason) : settle(exit)
      )

    const watch = <A, E>(effect: Effect.Effect<A, E>, signal: AbortSignal): Promise<A> =>
      Runtime.runPromiseExit(runtime)(effect, { signal }).then(settle)

    return {
      clock,
      peek,
      provider,
      run,
      watch,
      listen,
      header: Effect.fnUntraced(function* (token, url) {
        if (url !== undefined && !(yield* repair).reaches(url, token)) return {}
        if (isBound(token)) return yield* new InvalidOption({ option: "header", expected: BOUND })
        const { header, query, scheme } = options
        if (query !== undefined) return yield* new InvalidOption({ option: "query", expected: IN_ADDRESS })
        const carrier = yield* makeCarrier({ header, scheme })
        const { headers } = yield* Effect.mapError(
          carrier.write(token, HttpClientRequest.get(""), undefined),
          ({ message }) => new InvalidOption({ option: "header", expected: message })
        )
        return { ...headers }
      }),
      fetch: Either.match(repair, {
        onLeft: (problem) => () => Promise.reject(problem),
        onRight: (repair) =>
          tokenFetch({
            ...{ fetch, repair, provider, run, rejected: options.rejected },
            peek: (millis) => {
              const now = clock.unsafeCurrentTimeMillis()
              const token = peek(now)
              return token?.expiresAt === undefined || token.expiresAt - now >= millis ? token : undefined
            }
          })
      }),
      close: Scope.close(scope, Exit.void)
    }
  })

const BOUND = "fetch, for a token that is bound to a key: each request needs a proof of its own (DPoP, RFC 9449)"

const IN_ADDRESS = "fetch, for a token that goes in the address: there is no header that carries it"

/** The promise of an exit: what it rejects with is the error itself. */
export const settle = <A, E>(exit: Exit.Exit<A, E>): Promise<A> =>
  Exit.isSuccess(exit) ? Promise.resolve(exit.value) : Promise.reject(Cause.originalError(Cause.squash(exit.cause)))
