import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { TokenEndpointError } from "../model/TokenError.js"
import { currentTurn } from "../model/Turn.js"
import type { Connection } from "./Connection.js"
import { RefreshFailure } from "./RefreshFailure.js"

/** Waits, before anything is taken or written, until the limits of the source let one more request go. */
export const inTurn = <A>(
  connection: Connection,
  request: Effect.Effect<A, RefreshFailure>
): Effect.Effect<A, RefreshFailure> => {
  const { key, source } = connection
  const { limits } = source.traits
  // A flight that another's turn set off is not in that turn.
  if (limits === undefined) return Effect.locally(request, currentTurn, undefined)
  const notPaused = Effect.gen(function* () {
    const left = yield* limits.paused
    if (left === 0) return
    const now = yield* Clock.currentTimeMillis
    const detail = "the token endpoint asked for a pause"
    const error = new TokenEndpointError({ key, reason: "throttled", retryAfter: left, detail })
    return yield* new RefreshFailure({ error, until: now + left * (yield* Random.nextRange(1, 1.1)) })
  })
  const closing = Effect.forever(Effect.suspend(() => connection.waitForChange(Duration.toMillis("1 minute"))))
  return Effect.zipRight(notPaused, limits.inTurn(Effect.zipRight(notPaused, request), closing))
}
