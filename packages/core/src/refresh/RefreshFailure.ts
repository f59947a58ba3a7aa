import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { TokenEndpointError, type TokenError } from "../model/TokenError.js"

/** Why an attempt brings no token, and until when (epoch milliseconds) another one is pointless. */
export class RefreshFailure extends Data.TaggedError("RefreshFailure")<{
  readonly error: TokenError
  readonly until: number
}> {}

/** Whether the tokens were forgotten on purpose. */
export const isForgotten = (error: TokenError): boolean =>
  error._tag === "ReauthorizationRequired" && error.reason === "forgotten"

/** A caller waited as long as the policy allows. */
export const tooLong = (key: string) =>
  new TokenEndpointError({ key, reason: "timeout", detail: "no token within the policy's wait" })

/** How an attempt ended that brought no token; after a defect another attempt is pointless until `until`, and its text is not repeated. */
export const failureOf = (key: string, cause: Cause.Cause<RefreshFailure>, until: number): RefreshFailure =>
  Option.getOrElse(Cause.failureOption(cause), () => {
    const defect = Cause.squash(cause)
    const detail = `a defect: ${Predicate.isError(defect) ? defect.name : typeof defect}`
    return new RefreshFailure({ error: new TokenEndpointError({ key, reason: "unreadable", detail }), until })
  })
