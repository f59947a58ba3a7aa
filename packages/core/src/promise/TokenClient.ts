// promise/: The same for code without Effect: promises and `fetch`.
// May import http/, provider/, store/ and model/.
// Must not know of the protocol, and grants.
// Longer than 200 lines: half of it is what its members promise.

/// <reference lib="esnext.disposable" preserve="true" />
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { type RepairOptions, repairChecks } from "../http/RepairOptions.js"
import type { Refusal } from "../http/UnauthorizedReason.js"

import type { AccessToken } from "../model/AccessToken.js"
import { type Checks, type DurationOption, duration, func, kind, must, problemOf, required } from "../model/Options.js"
import { InvalidOption, ProviderClosed } from "../model/TokenError.js"
import type { TokenEvent } from "../model/TokenEvent.js"
import { TokenSet, type TokenSetOptions } from "../model/TokenSet.js"
import type { TokenStatus } from "../model/TokenStatus.js"
import { providerChecks, TokenProvider, type TokenProviderOptions } from "../provider/TokenProvider.js"
import type { TokenStore } from "../store/TokenStore.js"
import { refusalOf } from "./FetchAdapter.js"
import { type OpenClient, openClient, settle } from "./OpenClient.js"

/**
 * Tokens for code without Effect. What its promises reject with is the error itself: a `TokenError`, an
 * `InvalidOption`, whatever the layer fails with, or what `fetch` threw.
 */
export interface TokenClient {
  /** A valid token, as `TokenProvider.get` gives it, or with `minValidity` as `getFor` does. */
  readonly get: (options?: TokenRequestOptions) => Promise<AccessToken>
  /** The same token's secret itself, for a library that asks for a function that gives it. Do not log it. */
  readonly token: (options?: TokenRequestOptions) => Promise<string>
  /**
   * The same token as headers, such as `{ authorization: "Bearer …" }`; none for a `url` outside of the declared origins.
   * Not for tokens that are bound to a key (DPoP).
   */
  readonly header: (options?: TokenHeaderOptions) => Promise<Readonly<Record<string, string>>>
  /** The token that `get` would give at once; undefined where it would have to wait. */
  readonly peek: () => AccessToken | undefined
  /** A token newer than the one now current. */
  readonly refresh: () => Promise<AccessToken>
  /**
   * Says that the resource server refused a token; the next `get` gives a newer one. Which one: an `AccessToken`, the
   * secret, a header that carried it, or, if left out, the one that this client gave last. An older one has no effect.
   */
  readonly reject: (token?: AccessToken | string) => Promise<void>
  /**
   * Runs `call` with a token; where it throws `TokenRejected`, gets a newer token and calls again, as
   * `policy.unauthorized` allows, then rejects with `Unauthorized`. What else it throws is given as it is.
   */
  readonly use: <A>(call: (token: AccessToken) => PromiseLike<A> | A) => Promise<A>
  /** Starts from tokens got elsewhere, such as by the callback of a login page. */
  readonly put: (tokens: TokenSet | TokenSetOptions) => Promise<AccessToken>
  /** Logs out: removes the tokens, and revokes them where the source can. */
  readonly forget: () => Promise<void>
  /** How the connection is doing. */
  readonly status: () => Promise<TokenStatus>
  /**
   * Calls `listener` with the current token and each newer one, also those that another process fetched, until the
   * function that it gives back is called. Throws after `dispose`.
   */
  readonly subscribe: (listener: (token: AccessToken) => void) => () => void
  /**
   * `fetch` with a valid token on each request to the declared origins, also after redirects, and rejections repaired
   * as `TokenHttpClient` does. A stream in `init.body` is sent once only; a `Request` is cloned for each attempt.
   * `init.minValidity` asks for a token that holds for so long, as `get` does.
   */
  readonly fetch: (input: RequestInfo | URL, init?: TokenFetchInit) => Promise<Response>
  /** Calls `listener` with each event of the provider, which is built if it is not yet, until the function that it gives back is called. Throws after `dispose`. */
  readonly onEvent: (listener: (event: TokenEvent) => void) => () => void
  /** Ends everything; a refresh in flight is finished first. Calls after that fail. */
  readonly dispose: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** What a caller asks of a token. */
export interface TokenRequestOptions {
  /** For how long the token should hold, where such a one can be had. */
  readonly minValidity?: DurationOption | undefined
}

/** What `fetch` takes besides a URL. Undefined is as good as left out. */
export type TokenFetchInit = {
  readonly [Name in keyof RequestInit]?: RequestInit[Name] | undefined
} & TokenRequestOptions

/** What a caller asks of headers. */
export interface TokenHeaderOptions extends TokenRequestOptions {
  /** Where they will go, for a library that is used for other origins too, or that follows redirects by itself. */
  readonly url?: string | URL | undefined
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
   *
   * @example
   * ```ts
   * const client = TokenClient.make({
   *   key: "billing",
   *   source: OAuth2.clientCredentials({
   *     tokenEndpoint: "https://auth.example.com/token",
   *     clientId: "app",
   *     clientSecret: Redacted.make("…")
   *   }),
   *   store: MemoryTokenStore.layer,
   *   baseUrl: "https://api.example.com"
   * })
   * const response = await client.fetch("/invoices")
   * ```
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
export const clientChecks = {
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

/** A client of the provider in `layer`; its options were checked. */
export const makeClient = <E>(layer: Layer.Layer<TokenProvider, E>, options: TokenClientOptions): TokenClient => {
  const listeners = new Set<(event: TokenEvent) => void>()
  let opening: Promise<OpenClient> | undefined
  let opened: OpenClient | undefined
  let disposed: Promise<void> | undefined
  let answer: { readonly token: AccessToken; readonly promise: Promise<AccessToken> } | undefined

  const open = (): Promise<OpenClient> => {
    if (disposed !== undefined) return Promise.reject(new ProviderClosed({}))
    opening ??= Effect.runPromiseExit(openClient(layer, options, listeners)).then((exit) => {
      if (Exit.isFailure(exit)) opening = undefined
      else if (disposed === undefined) {
        opened = exit.value
        if (listeners.size > 0) opened.listen()
      }
      return settle(exit)
    })
    return opening
  }

  const run = <A, E2>(effect: (provider: TokenProvider["Type"]) => Effect.Effect<A, E2>): Promise<A> =>
    open().then(({ provider, run }) => run(effect(provider)))

  /** The token that was given last. */
  let last: AccessToken | undefined
  const given = (token: AccessToken): AccessToken => {
    last = token
    return token
  }

  const peek = () => {
    const token = opened?.peek(opened.clock.unsafeCurrentTimeMillis())
    return token && given(token)
  }

  const get = (asked?: TokenRequestOptions): Promise<AccessToken> => {
    if (asked !== undefined) {
      const problem = problemOf(asked, requestChecks)
      if (problem !== undefined) return Promise.reject(problem)
      const { minValidity } = asked
      if (minValidity !== undefined) return run((provider) => provider.getFor(minValidity)).then(given)
    }
    const token = peek()
    if (token === undefined) return run((provider) => provider.get).then(given)
    if (token !== answer?.token) answer = { token, promise: Promise.resolve(token) }
    return answer.promise
  }

  /** Refuses a listener that is none, or that would never be called. */
  const listen = (listener: unknown, what: string) => {
    must(required(func(`a function that is called with each ${what}`))(listener, "listener"))
    if (disposed !== undefined) throw new ProviderClosed({})
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
    get,
    token: (asked) => get(asked).then(({ value }) => `${Redacted.value(value)}`),
    header: ({ url, ...asked } = {}) =>
      get(asked).then((token) => open().then(({ header, run }) => run(header(token, url?.toString())))),
    peek,
    refresh: () => run((provider) => provider.refresh).then(given),
    reject: (token) =>
      run((provider) => {
        const refused = Predicate.isString(token) ? carriedBy(token, last) : (token ?? last)
        return refused === undefined ? Effect.void : provider.reject(refused)
      }),
    use: (call) =>
      run((provider) =>
        provider.use((token) => Effect.tryPromise({ try: async () => call(given(token)), catch: (error) => error }))
      ),
    put: (tokens) => run((provider) => Effect.flatMap(tokenSetOf(tokens), provider.put)),
    forget: () => run((provider) => provider.forget),
    status: () => run((provider) => provider.status),
    subscribe: (listener) => {
      listen(listener, "token")
      const ended = new AbortController()
      const tell = (token: AccessToken) => Effect.ignoreLogged(Effect.try(() => listener(token)))
      open()
        .then(({ provider, watch }) => watch(Stream.runForEach(provider.changes, tell), ended.signal))
        .catch((error) => {
          if (!ended.signal.aborted && disposed === undefined) Effect.runFork(Effect.logError(FAILED, error))
        })
      return () => ended.abort()
    },
    fetch: (input, init) => open().then(({ fetch }) => fetch(input, init)),
    onEvent: (listener) => {
      listen(listener, "event")
      const own = (event: TokenEvent) => listener(event)
      listeners.add(own)
      if (opened !== undefined) opened.listen()
      else open().catch(() => {}) // the next call tells it
      return () => void listeners.delete(own)
    },
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

const requestChecks = { minValidity: duration } satisfies Checks<TokenRequestOptions>

/** `token`, where it is what such a header carries, or such a secret. */
const carriedBy = (text: string, token: AccessToken | undefined): AccessToken | undefined =>
  token !== undefined && text.split(" ").at(-1) === Redacted.value(token.value) ? token : undefined

/** Tokens as plain options are checked when they are put. */
const tokenSetOf = (tokens: TokenSet | TokenSetOptions): Effect.Effect<TokenSet, InvalidOption> =>
  tokens instanceof TokenSet
    ? Effect.succeed(tokens)
    : Effect.try({
        try: () => TokenSet.make(tokens),
        catch: (error) =>
          error instanceof InvalidOption
            ? error
            : new InvalidOption({ option: "tokens", expected: "what TokenSet.make takes" })
      })

const FAILED = "A TokenClient could not be opened, so that its subscriber hears of no token"

const provided = <E, E2>({ http, key, policy, source, store }: TokenClientProviderOptions<E, E2>) =>
  Layer.provide(TokenProvider.layer({ key, policy, source }), [store, http ?? FetchHttpClient.layer])
