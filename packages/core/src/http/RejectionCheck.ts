import * as Effect from "effect/Effect"
import type { TokenResponse } from "./AuthorizedResponse.js"
import { Refusal } from "./UnauthorizedReason.js"
import { asksForNewer, type Challenge, claimsOf, parseChallenges, tokenChallenge } from "./WwwAuthenticate.js"

/** An answer of the resource server, as a predicate sees it. */
export interface Answer {
  readonly status: number
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * The beginning of the body as text: what of its first 16 KiB comes within a second. It is read only where it is
   * asked for, and the caller can still read all of it.
   */
  readonly body: () => string
}

/** What an answer says of the token: good, bad, bad in a way that no newer token mends, or that its proof lacks a nonce. */
export type Verdict = "accepted" | "rejected" | "nonce" | Refusal

/** Whether an answer has to be judged at all. */
export const isDoubtful = (
  { status }: { readonly status: number },
  rejected: ((answer: Answer) => boolean) | undefined
): boolean => rejected !== undefined || status === 401 || status === 403

/** What a caller knows of its API's answers. */
export interface Judges {
  readonly rejected?: ((answer: Answer) => boolean) | undefined
  readonly accepted?: ((answer: Answer) => boolean) | undefined
}

/** Judges an answer: 401 is a rejection, unless it says `insufficient_scope`; `rejected` finds more, `accepted` takes away. */
export const judge = (response: TokenResponse, { accepted, rejected }: Judges): Effect.Effect<Verdict> =>
  Effect.flatMap(first(response, rejected), (verdict) =>
    verdict !== "rejected" || accepted === undefined
      ? Effect.succeed(verdict)
      : Effect.map(says(accepted, response), (isGood) => (isGood ? "accepted" : verdict))
  )

const first = (response: TokenResponse, rejected: Judges["rejected"]): Effect.Effect<Verdict> => {
  const { status } = response
  if (status === 401 || status === 403) {
    const challenges = challengesOf(response)
    const challenge = tokenChallenge(challenges)
    const error = challenge?.parameters.error
    if (error === "insufficient_scope") {
      return Effect.succeed(Refusal.InsufficientScope({ scope: challenge?.parameters.scope, challenges }))
    }
    if (status === 401) {
      if (error === "use_dpop_nonce") return Effect.succeed("nonce")
      const claims = challenge === undefined ? undefined : claimsOf(challenge)
      return Effect.succeed(
        claims === undefined || asksForNewer(claims) ? "rejected" : Refusal.ClaimsRequired({ claims, challenges })
      )
    }
  }
  if (rejected === undefined) return Effect.succeed("accepted")
  return Effect.map(says(rejected, response), (isRejected) => (isRejected ? "rejected" : "accepted"))
}

/** What the server would take, as far as it said. */
export const challengesOf = (response: TokenResponse): ReadonlyArray<Challenge> =>
  parseChallenges(response.headers["www-authenticate"] ?? "")

/** Asks without the body first: most predicates look at it in few cases. */
const says = (predicate: (answer: Answer) => boolean, response: TokenResponse): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const { headers, status } = response
    let looked = false
    const look = () => {
      looked = true
      return ""
    }
    const answer = predicate({ status, headers, body: look })
    if (!looked) return Effect.succeed(answer)
    return Effect.map(response.peek, (body) => predicate({ status, headers, body: () => body }))
  })
