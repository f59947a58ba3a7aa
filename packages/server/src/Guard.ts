import { HttpApp, HttpServerResponse } from "@effect/platform"
import { Clock, Duration, Effect, Layer, Option, type Scope } from "effect"
import { Authenticate, CurrentCaller, Forbidden, TooManyRequests, Unauthenticated } from "./Api.js"
import { type Caller, makeFind, may, type Verb } from "./ApiKeys.js"

/** Lets callers in by their API keys, each as often as it is allowed; whoever guesses is slowed down for all who guess. */
export const layer = (
  callers: ReadonlyArray<Caller>,
  rate: { readonly requests: number; readonly per: Duration.DurationInput }
): Layer.Layer<Authenticate> =>
  Layer.sync(Authenticate, () => {
    const find = makeFind(callers)
    const allowed = makeRate(rate.requests, Duration.toMillis(rate.per))
    const guesses = makeRate(20, 1_000)
    return {
      apiKey: Effect.fnUntraced(function* (presented) {
        const now = yield* Clock.currentTimeMillis
        const caller = Option.getOrUndefined(find(presented))
        if (caller === undefined) {
          yield* guesses("", now, "Too many requests without a known API key")
          return yield* new Unauthenticated({ message: "Show an API key that is known: Authorization: Bearer evk_…" })
        }
        yield* allowed(caller.name, now, "More requests than this API key is allowed")
        return caller
      })
    }
  })

/** Fails unless the caller may do `verb` with `key`. */
export const permit = (verb: Verb, key: string) =>
  Effect.filterOrFail(
    CurrentCaller,
    (caller) => may(caller, verb, key),
    () => new Forbidden({ message: `This API key does not allow "${verb}" with this key` })
  )

/** Fails unless the caller may do `verb` with any key at all. */
export const permitAny = (verb: Verb) =>
  Effect.filterOrFail(
    CurrentCaller,
    (caller) => caller.verbs.includes(verb),
    () => new Forbidden({ message: `This API key does not allow "${verb}"` })
  )

/** Tells the client, with whatever the answer is, to ask again in `millis`; in whole seconds, never too soon. */
export const retryAfter = (millis: number): Effect.Effect<void> =>
  HttpApp.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", `${Math.max(1, Math.ceil(millis / 1_000))}`))
  )

/** Gives each caller at most `most` places at a time, each until the scope closes: for a request, when it is over. */
export const makePlaces = (most: number) => {
  const taken = new Map<string, number>()
  const add = (name: string, count: number) => taken.set(name, (taken.get(name) ?? 0) + count)
  const message = `This API key has ${most} streams of events open, as many as it may; close one first`
  return (name: string): Effect.Effect<void, TooManyRequests, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        if ((taken.get(name) ?? 0) >= most) return new TooManyRequests({ message })
        add(name, 1)
        return Effect.void
      }),
      () => Effect.sync(() => add(name, -1))
    )
}

/** A bucket for each name that holds `requests` and fills up within `per` milliseconds; fails where it is empty. */
const makeRate = (requests: number, per: number) => {
  const buckets = new Map<string, { left: number; at: number }>()
  return (name: string, now: number, message: string): Effect.Effect<void, TooManyRequests> => {
    const { at, left } = buckets.get(name) ?? { left: requests, at: now }
    const full = Math.min(requests, left + (Math.max(0, now - at) / per) * requests)
    buckets.set(name, { left: full < 1 ? full : full - 1, at: now })
    if (full >= 1) return Effect.void
    return Effect.zipRight(retryAfter(((1 - full) * per) / requests), new TooManyRequests({ message }))
  }
}
