import { Clock, Duration, Effect, Layer, Option } from "effect"
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
          if (!guesses("", now))
            return yield* new TooManyRequests({ message: "Too many requests without a known API key" })
          return yield* new Unauthenticated({ message: "Show an API key that is known: Authorization: Bearer evk_…" })
        }
        if (!allowed(caller.name, now))
          return yield* new TooManyRequests({ message: "More requests than this API key is allowed" })
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

/** A bucket for each name that holds `requests` and fills up within `per` milliseconds. */
const makeRate = (requests: number, per: number) => {
  const buckets = new Map<string, { left: number; at: number }>()
  return (name: string, now: number): boolean => {
    const { at, left } = buckets.get(name) ?? { left: requests, at: now }
    const full = Math.min(requests, left + (Math.max(0, now - at) / per) * requests)
    buckets.set(name, { left: full < 1 ? full : full - 1, at: now })
    return full >= 1
  }
}
