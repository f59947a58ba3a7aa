import { Duration, Effect, type Scope } from "effect"
import { type Line, startFarSide } from "./FarSide.js"

/** The verification API and its `authorize_endpoint`, with what a story or a test does to them. */
export interface Verification {
  readonly url: string
  readonly log: ReadonlyArray<Line>
  /** The tokens so far are no longer good. */
  readonly endTokens: () => void
  /** The authorize endpoint fails this many times. */
  readonly failAuthorize: (times: number) => void
  /** What the API answers to a good token, from now on. */
  readonly say: (body: unknown, status?: number) => void
}

export const credentials = { CLIENT_ID: "dashboard", CLIENT_SECRET: "dashboard-secret" }

/** A token lives for 15 minutes; no answer says so. A token that is not good is told by status 200 and a `subCode`. */
export const startVerification: Effect.Effect<Verification, never, Scope.Scope> = Effect.gen(function* () {
  let issued = 0
  let failures = 0
  let good = new Map<string, number>()
  let said: { readonly status: number; readonly body: unknown } = { status: 200, body: { status: "VERIFIED" } }

  const { log, url } = yield* startFarSide(({ headers, method, path, token = "" }) => {
    if (method === "POST" && path === "/authorize_endpoint") {
      const known = headers["x-client-id"] === credentials.CLIENT_ID
      if (!known || headers["x-client-secret"] !== credentials.CLIENT_SECRET)
        return { status: 401, says: "who are you?" }
      if (failures > 0) {
        failures--
        return { status: 503, says: "not now" }
      }
      issued++
      good.set(`token-${issued}`, Date.now() + Duration.toMillis("15 minutes"))
      return { status: 200, json: { data: { token: `token-${issued}` } }, says: `token ${issued}` }
    }
    const number = token.replace("token-", "token ")
    if ((good.get(token) ?? 0) <= Date.now()) {
      return { status: 200, json: { status: "ERROR", subCode: "401" }, says: `${number}: ERROR, subCode "401"` }
    }
    return { status: said.status, json: said.body, says: `${number}: ${JSON.stringify(said.body)}` }
  })

  return {
    url,
    log,
    endTokens: () => {
      good = new Map()
    },
    failAuthorize: (times) => {
      failures = times
    },
    say: (body, status = 200) => {
      said = { status, body }
    }
  }
})
