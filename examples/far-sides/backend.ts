import { Effect, Queue, type Scope } from "effect"
import { type Line, startFarSide } from "./FarSide.js"

/** A backend that a robot logs in to, and what a story or a test does to it. */
export interface Backend {
  readonly url: string
  readonly log: ReadonlyArray<Line>
  /** Tokens of a login that nobody logged. */
  readonly session: () => { readonly accessToken: string; readonly refreshToken: string }
  /** Refresh tokens so far are good no more: `/refresh` answers 401. */
  readonly endSessions: () => void
  /** The next answer of `/refresh` waits until what this gives is called. */
  readonly hold: () => () => void
  /** Waits until a request is held. */
  readonly held: Effect.Effect<void>
}

export const robot = { ROBOT_NAME: "robot", ROBOT_PASSWORD: "robot-password", SUBSCRIPTION_KEY: "subscription" }

/** `/login` and `/refresh` answer 201 with an access token for 12 hours; each refresh token works once. */
export const startBackend: Effect.Effect<Backend, never, Scope.Scope> = Effect.gen(function* () {
  let issued = 0
  let good = new Set<string>()
  let gate: Promise<void> | undefined
  const holding = yield* Queue.unbounded<void>()
  const session = () => {
    issued++
    good.add(`refresh-${issued}`)
    return { accessToken: `access-${issued}`, refreshToken: `refresh-${issued}` }
  }
  const issue = () => {
    const [{ accessToken, refreshToken }, now] = [session(), Date.now()]
    const end = (seconds: number) => new Date(now + seconds * 1_000).toISOString()
    const [short, long] = [12 * 3_600, 30 * 86_400]
    const authorization = {
      ...{ token: accessToken, type: "Bearer", expiresIn: short, expiresAt: end(short), notBefore: end(0) },
      note: "for the API"
    }
    const refresh = { token: refreshToken, expiresIn: long, expiresAt: end(long), note: "for /refresh, once" }
    return { status: 201, json: { authorization, refresh }, says: `token ${issued}, for 12 hours` }
  }
  const { log, url } = yield* startFarSide(async ({ headers, json, path }) => {
    if (headers["subscription-key"] !== robot.SUBSCRIPTION_KEY) return { status: 403, says: "no Subscription-Key" }
    if (path === "/login") {
      const known = json.username === robot.ROBOT_NAME && json.password === robot.ROBOT_PASSWORD
      return known ? issue() : { status: 401, says: "no such robot" }
    }
    if (gate !== undefined) {
      const closed = gate
      gate = undefined
      holding.unsafeOffer(undefined)
      await closed
    }
    return good.delete(String(json.token)) ? issue() : { status: 401, says: "refresh token refused" }
  })
  let open = () => {}
  yield* Effect.addFinalizer(() => Effect.sync(() => open()))
  return {
    url,
    log,
    session,
    endSessions: () => {
      good = new Set()
    },
    hold: () => {
      gate = new Promise((resolve) => {
        open = resolve
      })
      return open
    },
    held: Queue.take(holding)
  }
})
