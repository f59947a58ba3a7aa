/// <reference lib="esnext.disposable" preserve="true" />
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { kind, must, problemOf, required } from "../model/Options.js"
import { ProviderClosed } from "../model/TokenError.js"
import { TokenProvider } from "../provider/TokenProvider.js"
import { TokenProviders } from "../provider/TokenProviders.js"
import { settle } from "./OpenClient.js"
import { clientChecks, makeClient, type TokenClient, type TokenClientOptions } from "./TokenClient.js"
import { backgroundClock } from "./UnrefClock.js"

/** Tokens of any number of keys, for code without Effect. */
export interface TokenClients {
  /**
   * The client of one key. It costs nothing until it is used, may be kept or asked for anew each time, and is one with
   * all others of its key: they share tokens and refreshes. A key without a source rejects with `NoSource`.
   */
  readonly of: (key: string) => TokenClient
  /** Ends everything; refreshes in flight are finished first. Calls after that fail with `ProviderClosed`. */
  readonly dispose: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** Constructors of `TokenClients`. */
export const TokenClients = {
  /**
   * Clients of the providers in a layer, such as `TokenProviders.layer({ … })` with a store. It is built at first use,
   * and again at the next where that failed. Timers in the background do not keep a Node process alive.
   *
   * @example
   * ```ts
   * const providers = TokenProviders.layer({
   *   source: (key) => OAuth2.refreshToken({ tokenEndpoint: `https://${key}.example.com/token`, clientId: "app" })
   * })
   * const clients = TokenClients.make(providers.pipe(Layer.provide([MemoryTokenStore.layer, FetchHttpClient.layer])))
   * const { expiresAt } = await clients.of("acme").get()
   * ```
   */
  make: <E>(layer: Layer.Layer<TokenProviders, E>, options: TokenClientOptions = {}): TokenClients => {
    must(
      required(kind("a layer that gives TokenProviders", Layer.isLayer))(layer, "layer") ??
        problemOf(options, clientChecks)
    )
    let opening: Promise<Open> | undefined
    let disposed: Promise<void> | undefined

    const open = (): Promise<Open> => {
      if (disposed !== undefined) return Promise.reject(new ProviderClosed({}))
      opening ??= Effect.runPromiseExit(openProviders(layer)).then((exit) => {
        if (Exit.isFailure(exit)) opening = undefined
        return settle(exit)
      })
      return opening
    }

    const dispose = () => {
      disposed ??= (opening ?? Promise.reject()).then(
        ({ close }) => Effect.runPromise(close),
        () => undefined
      )
      return disposed
    }

    const providers = Effect.tryPromise({ try: open, catch: (error) => error })
    const of = (key: string) =>
      makeClient(
        Layer.effect(
          TokenProvider,
          Effect.flatMap(providers, ({ providers }) => providers.of(key))
        ),
        options
      )
    return { of, dispose, [Symbol.asyncDispose]: dispose }
  }
}

interface Open {
  readonly providers: TokenProviders["Type"]
  readonly close: Effect.Effect<void>
}

const openProviders = <E>(layer: Layer.Layer<TokenProviders, E>): Effect.Effect<Open, E> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const scope = yield* Scope.make()
    const providers = yield* Layer.build(layer).pipe(
      Effect.flatMap((context) => Effect.provide(TokenProviders, context)),
      Effect.withClock(backgroundClock(clock)),
      Scope.extend(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    return { providers, close: Scope.close(scope, Exit.void) }
  })
