import { assert, describe, it } from "@effect/vitest"
import { ClientRejected, GrantRejected, TokenEndpointError, TokenSourceDefect } from "@evertoken/core"
import { fromStoredFailure, outcomeOf } from "../src/refresh/Outcome.js"

const reasons = TokenEndpointError.fields.reason.literals
const errors = [
  new GrantRejected({ code: "invalid_grant" }),
  new ClientRejected({ code: "invalid_client", status: 401 }),
  new TokenSourceDefect({ key: "k", detail: "it threw" }),
  ...reasons.map((reason) => new TokenEndpointError({ reason, status: 503, retryAfter: 1_000 }))
]
const grants = ["login", "refresh"] as const
/** What arrived nowhere, or was answered: the refresh token is as it was. */
const known = ["unreachable", "unavailable", "throttled"]

/** All that `check` finds wrong, over each error, grant, row and refusal before. */
const each = (check: (outcome: ReturnType<typeof outcomeOf>, situation: Situation) => boolean): ReadonlyArray<string> =>
  errors.flatMap((error) =>
    grants.flatMap((by) =>
      [true, false].flatMap((dead) =>
        [true, false].flatMap((refused) => {
          const situation = { error, by, dead, refused }
          return check(outcomeOf(by, error, { dead }, refused), situation) ? [] : [JSON.stringify(situation)]
        })
      )
    )
  )

interface Situation {
  readonly error: (typeof errors)[number]
  readonly by: "login" | "refresh"
  readonly dead: boolean
  readonly refused: boolean
}

describe("what a failed request comes to, over all failures", () => {
  it("P3: a row is dead where a grant was refused, by this request, the one before it, or earlier; never else", () => {
    const wrong = each((outcome, { dead, error, refused }) => {
      return outcome.dead === (error._tag === "GrantRejected" || refused || dead)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("P3: nothing but a refused grant needs a person", () => {
    assert.deepStrictEqual(
      each(({ final }, { error }) => final === (error._tag === "GrantRejected")),
      []
    )
  })

  it("step 9: a refresh is in doubt unless nothing arrived or an answer came; a login never is", () => {
    const wrong = each(({ inDoubt }, { by, error }) => {
      const isKnown =
        error._tag === "GrantRejected" ||
        error._tag === "ClientRejected" ||
        (error._tag === "TokenEndpointError" && known.includes(error.reason))
      return inDoubt === (by === "refresh" && !isKnown)
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("P3: what a row keeps of a failure is the same failure for each process that reads it", () => {
    const wrong = each(({ failure }, { by, error }) => {
      const again = fromStoredFailure("k", failure)
      const same = error._tag === "GrantRejected" ? again._tag === "ReauthorizationRequired" : again._tag === error._tag
      const reason = error._tag !== "TokenEndpointError" || ("reason" in again && again.reason === error.reason)
      return same && reason && failure.by === by
    })
    assert.deepStrictEqual(wrong, [])
  })
})
