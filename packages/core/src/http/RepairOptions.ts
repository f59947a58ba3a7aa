import { boolean, type Checks, type DurationOption, duration, func } from "../model/Options.js"
import { type OriginOptions, originChecks } from "./AllowedOrigins.js"
import { type CarrierOptions, carrierChecks } from "./AuthorizationHeader.js"
import type { Answer } from "./RejectionCheck.js"

/** What `TokenHttpClient` and `TokenClient` share. */
export interface RepairOptions extends OriginOptions, CarrierOptions {
  /**
   * Finds rejections that are not a 401: a body that says so, a gateway's 404. It adds to the default, which is 401
   * without `insufficient_scope`. It may be called twice for one answer.
   */
  readonly rejected?: ((answer: Answer) => boolean) | undefined
  /**
   * Finds rejections that say nothing of the token: a 401 for a wrong PIN, a locked account. The caller gets them as they
   * are; they cost no refresh and no second request. It may be called twice for one answer.
   */
  readonly accepted?: ((answer: Answer) => boolean) | undefined
  /**
   * How long a new token may take until each server of the API knows it. A refused token that is younger is sent again
   * after a pause, as often as that takes, before it is replaced.
   * @default "0 seconds"
   */
  readonly settles?: DurationOption | undefined
  /**
   * Whether a request to the declared origins that has the header (or the parameter) already gets the token in its place:
   * for a library that sets one of its own. Otherwise such a request is left as it is, and not repaired.
   * @default false
   */
  readonly replaceHeader?: boolean | undefined
}

/** What each option of both has to be. */
export const repairChecks = {
  ...originChecks,
  ...carrierChecks,
  rejected: func("a function from an answer to true or false"),
  accepted: func("a function from an answer to true or false"),
  settles: duration,
  replaceHeader: boolean
} satisfies Checks<RepairOptions>
