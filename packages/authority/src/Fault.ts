import { Duration, Schema } from "effect"

/** What the token endpoint does instead of answering well. */
export const Fault = Schema.Union(
  Schema.TaggedStruct("Refuse", {
    status: Schema.Int,
    retryAfter: Schema.optional(Schema.Number),
    body: Schema.optional(Schema.String)
  }),
  Schema.TaggedStruct("Slow", { before: Schema.Number, after: Schema.Number }),
  Schema.TaggedStruct("Drop", {}),
  Schema.TaggedStruct("Lose", { after: Schema.Number }),
  Schema.TaggedStruct("Garble", { body: Schema.String })
)
export type Fault = typeof Fault.Type

/** Answers `status` before any work is done; `retryAfter` is sent as whole seconds. */
export const refuse = (
  status: number,
  options?: { readonly retryAfter?: Duration.DurationInput; readonly body?: string }
): Fault => ({
  _tag: "Refuse",
  status,
  ...(options?.retryAfter === undefined ? {} : { retryAfter: Math.ceil(Duration.toSeconds(options.retryAfter)) }),
  ...(options?.body === undefined ? {} : { body: options.body })
})

/** Answers 503 before any work is done. */
export const unavailable: Fault = refuse(503)

/** Does the work `delay` late, and answers then. The work is done even where the caller has gone. */
export const slow = (delay: Duration.DurationInput): Fault => ({
  _tag: "Slow",
  before: Duration.toMillis(delay),
  after: 0
})

/** Does the work at once (a refresh token is spent by then) and answers `delay` later. */
export const slowAnswer = (delay: Duration.DurationInput): Fault => ({
  _tag: "Slow",
  before: 0,
  after: Duration.toMillis(delay)
})

/** Ends the connection before any work is done. */
export const dropped: Fault = { _tag: "Drop" }

/** Does the work, then ends the connection without an answer, `after` that long. */
export const lost = (after: Duration.DurationInput = 0): Fault => ({ _tag: "Lose", after: Duration.toMillis(after) })

/** Does the work, then answers 200 with something that is no token response. */
export const garbled = (body = "<html>it works</html>"): Fault => ({ _tag: "Garble", body })
