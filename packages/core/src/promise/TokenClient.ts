/// <reference lib="esnext.disposable" preserve="true" />
import { FetchHttpClient, type HttpClient, HttpClientError } from "@effect/platform"
import { Cause, type Clock, Effect, Exit, identity, Layer, Predicate, Runtime, Scope, Stream } from "effect"
import type { Refusal } from "../http/UnauthorizedReason.js"
import { makeRepair, type RepairOptions, repairChecks } from "../http/UnauthorizedRetry.js"
import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, func, kind, must, problemOf, required } from "../model/Options.js"
import { InvalidOption, ProviderClosed } from "../model/TokenError.js"
import type { TokenEvent } from "../model/TokenEvent.js"
import { isPeeking, Peek } from "../provider/SyncAccess.js"
import { providerChecks, TokenProvider, type TokenProviderOptions, tokenProvider } from "../provider/TokenProvider.js"
import type { TokenStore } from "../store/TokenStore.js"
import { refusalOf, webCall, webClient, webResponse } from "./FetchAdapter.js"
import { backgroundClock } from "./UnrefClock.js"

/**
 * Tokens for code without Effect. What its promises reject with is the error itself: a `TokenError`, an
 * `InvalidOption`, whatever the layer fails with, or what `fetch` threw.
 */
export interface TokenClient {
  /** A valid token, as `TokenProvider.get` gives it. */
  readonly get: () => Promise<AccessToken>
  /**
   * `fetch` with a valid token on each request to the declared origins, also after redirects, and rejections repaired
   * as `TokenHttpClient` does. A stream in `init.body` is sent once only; a `Request` is cloned for each attempt.
   */
  readonly fetch: typeof globalThis.fetch
  /** Calls `listener` with each event from now on, until the function that it gives back is called. Throws after `dispose`. */
  readonly onEvent: (listener: (event: TokenEvent) => void) => () => void
  /** Ends everything; a refresh in flight is finished first. Calls after that fail. */
  readonly dispose: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** What `TokenClient.make` takes beside a layer. `origins` or `baseUrl` is for `fetch`, which fails without them. */
export interface TokenClientOptions extends RepairOptions {
  /**
   * What `fetch` is made of.
   * @default globalThis.fetch, as it is when called
   */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** What `TokenClient.make` takes in one piece: the options of a provider, its store, and those of the client. */
export interface TokenClientProviderOptions<E = never, E2 = never>
  extends TokenProviderOptions<E, HttpClient.HttpClient>,
    TokenClientOptions {
  /** Where the tokens are kept, such as `MemoryTokenStore.layer`. */
  readonly store: Layer.Layer<TokenStore, E2>
  /**
   * What the source asks the token endpoint with.
   * @default FetchHttpClient.layer
   */
  readonly http?: Layer.Layer<HttpClient.HttpClient, E2> | undefined
}

/** Constructors of `TokenClient`. */
export const TokenClient = {
  /**
   * A client of the provider in a layer, or of one made of options. It is built at first use, and again at the next
   * where that failed. Timers in the background do not keep a Node process alive.
   */
  make,

  /** Why a response of `fetch` that refuses the token was not repaired; undefined for any other response. */
  refusal: (response: Response): Refusal | undefined => refusalOf(response)
}

function make<E, E2>(options: TokenClientProviderOptions<E, E2>): TokenClient
function make<E>(layer: Layer.Layer<TokenProvider, E>, options?: TokenClientOptions): TokenClient
function make<E, E2>(
  given: Layer.Layer<TokenProvider, E> | TokenClientProviderOptions<E, E2>,
  options: TokenClientOptions = {}
): TokenClient {
  if (isLayer(given)) {
    must(problemOf(options, clientChecks))
    return makeClient(given, options)
  }
  must(
    Predicate.isRecord(given)
      ? problemOf(given, clientProviderChecks)
      : new InvalidOption({ option: "options", expected: GIVEN })
  )
  must(
    kind("all options in the first argument", (options) => Object.keys(Object(options)).length === 0)(
      options,
      "options"
    )
  )
  return makeClient(provided(given), given)
}

const isLayer = <E, E2>(
  given: Layer.Layer<TokenProvider, E> | TokenClientProviderOptions<E, E2>
): given is Layer.Layer<TokenProvider, E> => Layer.isLayer(given)

const GIVEN = "{ key, source, store, … }, or a layer that gives a TokenProvider"

/** What each option of a client has to be. */
const clientChecks = {
  ...repairChecks,
  fetch: func("a function like globalThis.fetch")
} satisfies Checks<TokenClientOptions>

/** What each option of a client in one piece has to be. */
const clientProviderChecks = {
  ...providerChecks,
  ...clientChecks,
  store: required(kind("a layer, such as MemoryTokenStore.layer", Layer.isLayer)),
  http: kind("a layer, such as FetchHttpClient.layer", Layer.isLayer)
} satisfies Checks<TokenClientProviderOptions>

const makeClient = <E>(layer: Layer.Layer<TokenProvider, E>, options: TokenClientOptions): TokenClient => {
  const listeners = new Set<(event: TokenEvent) => void>()
  let opening: Promise<Opened> | undefined
  let opened: Opened | undefined
  let disposed: Promise<void> | undefined
  let answer: { readonly token: AccessToken; readonly promise: Promise<AccessToken> } | undefined

  const open = (): Promise<Opened> => {
    if (disposed !== undefined) return Promise.reject(new ProviderClosed({}))
    opening ??= Effect.runPromiseExit(build(layer, options, listeners)).then((exit) => {
      if (Exit.isFailure(exit)) opening = undefined
      else if (disposed === undefined) opened = exit.value
      return settle(exit)
    })
    return opening
  }

  const dispose = () => {
    opened = undefined
    answer = undefined
    disposed ??= (opening ?? Promise.reject())
      .then(
        ({ close }) => Effect.runPromise(close),
        () => undefined
      )
      .finally(() => {
        opening = undefined
        listeners.clear()
      })
    return disposed
  }

  return {
    get: () => {
      const token = opened?.peek(opened.clock.unsafeCurrentTimeMillis())
      if (token === undefined) return open().then(({ get }) => get())
      if (token !== answer?.token) answer = { token, promise: Promise.resolve(token) }
      return answer.promise
    },
    fetch: (input, init) => open().then(({ fetch }) => fetch(input, init)),
    onEvent: (listener) => {
      must(required(func("a function that is called with each event"))(listener, "listener"))
      if (disposed !== undefined) throw new ProviderClosed({})
      const own = (event: TokenEvent) => listener(event)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

const provided = <E, E2>({ http, key, policy, source, store }: TokenClientProviderOptions<E, E2>) =>
  Layer.provide(TokenProvider.layer({ key, policy, source }), [store, http ?? FetchHttpClient.layer])

interface Opened {
  readonly clock: Clock.Clock
  readonly peek: (now: number) => AccessToken | undefined
  readonly get: () => Promise<AccessToken>
  readonly fetch: (input: RequestInfo | URL, init: RequestInit | undefined) => Promise<Response>
  readonly close: Effect.Effect<void>
}

const build = <E>(
  layer: Layer.Layer<TokenProvider, E>,
  options: TokenClientOptions,
  listeners: ReadonlySet<(event: TokenEvent) => void>
): Effect.Effect<Opened, E | InvalidOption> =>
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
    const http = yield* Effect.either(
      makeRepair(
        webClient(options.fetch ?? ((input, init) => globalThis.fetch(input, init))),
        provider,
        options,
        identity
      )
    )
    yield* Stream.runForEach(provider.events, (event) =>
      Effect.forEach(listeners, (listener) => Effect.ignoreLogged(Effect.try(() => listener(event))))
    ).pipe(Effect.forkIn(scope))
    yield* Effect.yieldNow() // it listens before anything happens

    // Callers wait by the usual clock: their timers do keep the process alive.
    const run = <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal | null): Promise<A> =>
      Runtime.runPromiseExit(runtime)(Effect.withClock(effect, clock), signal ? { signal } : undefined).then((exit) =>
        signal?.aborted === true && Exit.isFailure(exit) ? Promise.reject(signal.reason) : settle(exit)
      )

    return {
      clock,
      peek: isPeeking(provider) ? provider[Peek] : () => undefined,
      get: () => run(provider.get),
      fetch: (input, given) => {
        const { init, request } = webCall(input, given)
        const { signal } = init
        if (signal?.aborted === true) return Promise.reject(signal.reason)
        const response = Effect.flatMap(http, (http) => http.execute(request)).pipe(
          Effect.provideService(FetchHttpClient.RequestInit, init),
          Effect.mapBoth({ onSuccess: webResponse, onFailure: thrown })
        )
        return run(response, signal)
      },
      close: Scope.close(scope, Exit.void)
    }
  })

/** What `fetch` threw, or would throw: a `TypeError` for whatever goes wrong on the way. */
const thrown = (error: unknown): unknown =>
  HttpClientError.isHttpClientError(error) ? (error.cause ?? new TypeError(error.message)) : error

const settle = <A, E>(exit: Exit.Exit<A, E>): Promise<A> =>
  Exit.isSuccess(exit) ? Promise.resolve(exit.value) : Promise.reject(Cause.originalError(Cause.squash(exit.cause)))
