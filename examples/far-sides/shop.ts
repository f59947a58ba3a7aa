import { Effect, Queue, type Scope } from "effect"
import { type Line, startFarSide } from "./FarSide.js"

/** A shop's API with a login, and what a story or a test does to it. */
export interface Shop {
  readonly url: string
  readonly log: ReadonlyArray<Line>
  /** All access tokens so far have ended. */
  readonly endTokens: () => void
  /** What `/refresh` answers, for the next `times` requests: 401 says that the session is over, 503 that it is down. */
  readonly refuseRefresh: (status: 401 | 503, times: number) => void
  /** The item `slow` is answered only when this is called. */
  readonly release: () => void
  /** Waits until somebody asks for it. */
  readonly arrived: Effect.Effect<void>
}

/** A login gives an access token and a refresh token, which holds as long as the session does. */
export const startShop: Effect.Effect<Shop, never, Scope.Scope> = Effect.gen(function* () {
  let [issued, refusals, status] = [0, 0, 401]
  let good = new Set<string>()
  let held: Array<() => void> = []
  const arrivals = yield* Queue.unbounded<void>()
  const release = () => {
    for (const go of held) go()
    held = []
  }
  const issue = () => {
    issued++
    good.add(`token-${issued}`)
    return { access: `token-${issued}`, says: `token ${issued}` }
  }
  const { log, url } = yield* startFarSide(async ({ json, method, path, query, token = "" }) => {
    if (method === "POST" && path === "/login") {
      const { access, says } = issue()
      return { status: 200, json: { accessToken: access, refreshToken: `session-of-${json.user}` }, says }
    }
    if (method === "POST" && path === "/refresh") {
      if (refusals > 0) {
        refusals--
        return { status, says: status === 401 ? "the session is over" : "not now" }
      }
      if (json.refreshToken !== "session-of-alice") return { status: 401, says: "no such session" }
      const { access, says } = issue()
      return { status: 200, json: { accessToken: access }, says }
    }
    if (query.get("item") === "slow") {
      arrivals.unsafeOffer(undefined)
      await new Promise<void>((go) => held.push(go))
    }
    return good.has(token)
      ? { status: 200, json: { item: query.get("item") }, says: token.replace("-", " ") }
      : { status: 401, says: `${token.replace("-", " ")} has ended` }
  })
  yield* Effect.addFinalizer(() => Effect.sync(release))
  return {
    url,
    log,
    release,
    arrived: Queue.take(arrivals),
    endTokens: () => {
      good = new Set()
    },
    refuseRefresh: (with_, times) => {
      status = with_
      refusals = times
    }
  }
})
