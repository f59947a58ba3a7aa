import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import {
  Authenticate,
  BadRequest,
  CurrentCaller,
  Forbidden,
  TooManyRequests,
  Unauthenticated,
  type Verb
} from "@evertoken/client/api"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type Caller, fingerprint, makeFind, may } from "../config/ApiKeys.js"
import { rarelyEach } from "../observability/Log.js"
import { refusals } from "../observability/Metrics.js"

/** Lets callers in by their API keys, each as often as it is allowed; guesses share one small bound. */
export const layer = (
  callers: ReadonlyArray<Caller>,
  rate: { readonly requests: number; readonly per: Duration.DurationInput }
): Layer.Layer<Authenticate> =>
  Layer.sync(Authenticate, () => {
    const find = makeFind(callers)
    const allowed = makeRate(rate.requests, Duration.toMillis(rate.per))
    const guesses = makeRate(20, 1_000)
    const once = rarelyEach(100, Effect.logWarning("API keys are refused, more than are told one by one"))
    return {
      // By the header itself: the platform would give what stands after seven characters, whatever they are.
      apiKey: Effect.fnUntraced(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const now = yield* Clock.currentTimeMillis
        const given = NodeHttpServerRequest.toIncomingMessage(request).headersDistinct.authorization ?? []
        if (given.length > 1) {
          yield* challenge("invalid_request")
          return yield* new BadRequest({ message: "There is more than one Authorization header" })
        }
        const [, key] = /^Bearer +([\w.~+/-]+=*)$/i.exec(given[0] ?? "") ?? []
        const caller = key === undefined ? undefined : Option.getOrUndefined(find(Redacted.make(key)))
        if (caller === undefined) {
          if (key !== undefined) yield* Metric.increment(refusals)
          yield* guesses("", now, "Too many requests without a known API key")
          yield* challenge(key === undefined ? undefined : "invalid_token")
          if (key !== undefined) {
            const from = Option.getOrElse(request.remoteAddress, () => "unknown")
            const refused = Effect.logWarning("An API key is refused: no caller has it")
            yield* once(key, Effect.annotateLogs(refused, { fingerprint: fingerprint(key), from }))
          }
          return yield* new Unauthenticated({ message: "Show an API key that is known: Authorization: Bearer evk_…" })
        }
        yield* allowed(caller.name, now, "More requests than this API key is allowed")
        return caller
      })
    }
  })

/** Says how to authenticate, and what was wrong (RFC 6750 section 3). */
const challenge = (error: "invalid_request" | "invalid_token" | "insufficient_scope" | undefined) =>
  withHeader("www-authenticate", `Bearer realm="evertoken"${error === undefined ? "" : `, error="${error}"`}`)

/** Fails unless the caller may do `verb` with `key`. */
export const permit = (verb: Verb, key: string) =>
  permitIf((caller) => may(caller, verb, key), `This API key does not allow "${verb}" with this key`)

/** Fails unless the caller may do `verb` with any key at all. */
export const permitAny = (verb: Verb) =>
  permitIf((caller) => caller.verbs.includes(verb), `This API key does not allow "${verb}"`)

const permitIf = (is: (caller: Caller) => boolean, message: string) =>
  Effect.filterOrElse(CurrentCaller, is, () =>
    Effect.zipRight(challenge("insufficient_scope"), new Forbidden({ message }))
  )

/** The seconds in `millis`, never too few, also told as the header `Retry-After` (RFC 9110 section 10.2.3). */
export const retryAfter = (millis: number): Effect.Effect<number> => {
  const seconds = Math.max(1, Math.ceil(millis / 1_000))
  return Effect.as(withHeader("retry-after", `${seconds}`), seconds)
}

const withHeader = (name: string, value: string): Effect.Effect<void> =>
  HttpApp.appendPreResponseHandler((_, response) => Effect.succeed(HttpServerResponse.setHeader(response, name, value)))

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
    return Effect.flatMap(
      retryAfter(((1 - full) * per) / requests),
      (retryAfter) => new TooManyRequests({ message, retryAfter })
    )
  }
}
