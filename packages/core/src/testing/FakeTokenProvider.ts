import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { AccessToken } from "../model/AccessToken.js"
import { ReauthorizationRequired, type TokenError, TokenRejected, Unauthorized } from "../model/TokenError.js"
import { TokenSet } from "../model/TokenSet.js"
import { TokenProvider } from "../provider/TokenProvider.js"

/**
 * What the first token of a `FakeTokenProvider` is like: good for an hour; ended a minute ago; one that resource servers
 * refuse, as they refuse every newer one; or none, so that the person has to log in. Or what asking for one fails with.
 */
export type FakeTokenState = "a token" | "an expired one" | "a refused one" | "log in again" | TokenError

/** Constructors of a `TokenProvider` for code that needs no more than one: no source, no store, no refreshing by itself. */
export const FakeTokenProvider = {
  /**
   * A provider whose tokens are `access-1`, `access-2` and so on. `refresh`, and `get` after `reject`, give the next one;
   * `put` gives what is put, whatever was the matter before. `use` fails with `Unauthorized` where a token is refused.
   */
  make: (state: FakeTokenState = "a token"): Effect.Effect<TokenProvider["Type"]> =>
    Effect.gen(function* () {
      const key = "fake"
      const published = yield* PubSub.unbounded<AccessToken>()
      let failure: TokenError | undefined = Predicate.isString(state) ? undefined : state
      if (state === "log in again")
        failure = new ReauthorizationRequired({ key, reason: "refused", code: "invalid_grant" })
      let refused = state === "a refused one"
      let current: AccessToken | undefined

      const install = Effect.fnUntraced(function* (tokens: TokenSet, generation: number) {
        current = AccessToken.of(tokens.obtained(yield* Clock.currentTimeMillis), generation)
        yield* PubSub.publish(published, current)
        return current
      })
      const next: Effect.Effect<AccessToken, TokenError> = Effect.suspend(() => {
        if (failure !== undefined) return Effect.fail(failure)
        const nth = (current?.generation ?? 0) + 1
        return install(TokenSet.make({ accessToken: `access-${nth}`, expiresIn: "1 hour" }), nth)
      })
      const first = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        install(TokenSet.make({ accessToken: "access-1", expiresAt: now - MINUTE, obtainedAt: now - 2 * MINUTE }), 1)
      )
      const get: Effect.Effect<AccessToken, TokenError> = Effect.suspend(() => {
        if (failure !== undefined) return Effect.fail(failure)
        if (current !== undefined) return Effect.succeed(current)
        return state === "an expired one" ? first : next
      })
      const reject = (token: AccessToken) =>
        Effect.sync(() => token.generation === current?.generation).pipe(
          Effect.flatMap((isCurrent) => (isCurrent ? Effect.ignore(next) : Effect.void))
        )

      const provider: TokenProvider["Type"] = {
        key,
        get,
        getFor: () => get,
        refresh: Effect.zipRight(Effect.ignore(get), next),
        reject,
        use: <A, E, R>(call: (token: AccessToken) => Effect.Effect<A, E, R>) =>
          Effect.gen(function* () {
            let token = yield* get
            for (let attempts = 0; attempts < 2 && !refused; attempts++) {
              const outcome = yield* Effect.either(call(token))
              if (Either.isRight(outcome)) return outcome.right
              if (isOther(outcome.left)) return yield* Effect.fail(outcome.left)
              yield* reject(token)
              token = yield* get
            }
            return yield* new Unauthorized({ key, generation: token.generation })
          }),
        changes: Stream.unwrapScoped(
          Effect.map(PubSub.subscribe(published), (queue) =>
            Stream.concat(Stream.fromIterable(current === undefined ? [] : [current]), Stream.fromQueue(queue))
          )
        ),
        events: Stream.empty,
        status: Effect.sync(() => ({
          key,
          generation: current?.generation,
          expiresAt: current?.expiresAt,
          refreshTokenExpiresAt: undefined,
          lastSuccessAt: current?.obtainedAt,
          lastFailureAt: undefined,
          lastFailure: failure?._tag,
          nextAttemptAt: undefined,
          reauthorizationRequired: failure?._tag === "ReauthorizationRequired"
        })),
        put: (tokens) =>
          Effect.suspend(() => {
            failure = undefined
            refused = false
            return install(tokens, (current?.generation ?? 0) + 1)
          }),
        forget: Effect.sync(() => {
          failure = new ReauthorizationRequired({ key, reason: "forgotten" })
        })
      }
      return provider
    }),

  /**
   * `make` as a layer; `TokenClient.make(FakeTokenProvider.layer())` is the same for code without Effect.
   *
   * @example
   * ```ts
   * const invoices = Effect.flatMap(TokenProvider, (provider) => provider.get) // stands for a program of yours
   * const told = invoices.pipe(Effect.provide(FakeTokenProvider.layer("log in again")), Effect.flip)
   * ```
   */
  layer: (state: FakeTokenState = "a token"): Layer.Layer<TokenProvider> =>
    Layer.effect(TokenProvider, FakeTokenProvider.make(state))
}

const isOther = <E>(error: E): error is Exclude<E, TokenRejected> => !(error instanceof TokenRejected)

const MINUTE = Duration.toMillis("1 minute")
