import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Answer } from "./TokenEndpointClient.js"

/** The time that assertions are signed with. */
export interface AssertionClock {
  /** A little before now, in seconds since the epoch: servers refuse an `iat` of their future (RFC 7523 section 3). */
  readonly now: Effect.Effect<number>
  /** Goes by the server's clock from now on where the `Date` of a refusal shows that ours is ahead; whether it does. */
  readonly follow: (answer: Answer) => boolean
}

export const makeAssertionClock = (): AssertionClock => {
  let ahead = 0
  return {
    now: Effect.map(Clock.currentTimeMillis, (now) => Math.floor((now - ahead) / 1000) - BACKDATED),
    follow: ({ headers, now }) => {
      const found = now - Date.parse(headers.date ?? "")
      // What the answer's way and the header's whole seconds may make is no difference of clocks.
      if (!(found - ahead > SLACK)) return false
      ahead = found
      return true
    }
  }
}

/** Seconds. */
const BACKDATED = 10
/** Milliseconds. */
const SLACK = 5_000
