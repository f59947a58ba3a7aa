import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** How the last attempt failed, kept with the row so that every process can say so. Holds no secret. */
export const Failure = Schema.Struct({
  /** Which of the source's effects failed. */
  by: Schema.Literal("refresh", "login"),
  tag: Schema.Literal("TokenEndpointError", "TokenSourceDefect", "ClientRejected", "GrantRejected"),
  reason: Schema.optional(Schema.String),
  code: Schema.optional(Schema.String),
  status: Schema.optional(Schema.Number),
  detail: Schema.optional(Schema.String),
  claims: Schema.optional(Schema.String),
  /** Digests of the sources that were refused in a row, by a key of this row's own: they tell one from another, and no secret. */
  refused: Schema.optional(Schema.Struct({ key: Schema.String, digests: Schema.Array(Schema.String) }))
})
export type Failure = typeof Failure.Type

const FailureJson = Schema.parseJson(Failure)
export const decodeFailure = Schema.decodeUnknownOption(FailureJson)
const writeFailure = Schema.encodeOption(FailureJson)

/** A failure is always noted, whatever its source put into it: without a note it would pass for an unknown outcome. */
export const encodeFailure = (failure: Failure): string => {
  const { by, status, tag } = failure
  const short = (text: string | undefined) => (typeof text === "string" ? text.slice(0, MOST_TEXT) : undefined)
  const told = { reason: short(failure.reason), code: short(failure.code), detail: short(failure.detail) }
  // Half of it would be no JSON.
  const claims = (failure.claims?.length ?? 0) > MOST_CLAIMS ? undefined : failure.claims
  const noted = writeFailure({
    by,
    tag,
    ...told,
    claims,
    refused: failure.refused,
    status: Number.isFinite(status) ? status : undefined
  })
  return ascii(Option.getOrElse(noted, () => JSON.stringify({ by, tag })))
}

/** The same JSON in ASCII, which fits a column of any character set. */
export const ascii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

const MOST_TEXT = 1_000
const MOST_CLAIMS = 4_096
