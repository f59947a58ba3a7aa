import { TokenStore } from "@evertoken/core"
import type { DueClaim } from "@evertoken/core/store"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Knows which parts of the process are at work, and which of them stand still, so that only a restart mends it. */
export class Pulse extends Context.Tag("@evertoken/server/Pulse")<
  Pulse,
  {
    /** Says that `part` is at work, and will say so again within so long. */
    readonly beat: (part: string, within: Duration.Duration) => Effect.Effect<void>
    /** The parts that have not said so in time. */
    readonly still: Effect.Effect<ReadonlyArray<string>>
  }
>() {
  static readonly layer: Layer.Layer<Pulse> = Layer.sync(Pulse, () => {
    const until = new Map<string, bigint>()
    // By the steady clock: the other one is set at times.
    const now = Effect.map(Effect.clock, (clock) => clock.unsafeCurrentTimeNanos())
    return {
      beat: (part, within) =>
        Effect.map(now, (at) => {
          until.set(part, at + BigInt(Math.ceil(Duration.toMillis(within))) * 1_000_000n)
        }),
      still: Effect.map(now, (at) => [...until].filter(([, end]) => end < at).map(([part]) => part))
    }
  })
}

/** The store, where each question of what is due, which a worker that looks so often asks, says that it is at work. */
export const workerBeats = (
  every: Duration.Duration = Duration.zero
): Effect.Effect<TokenStore["Type"], never, Pulse | TokenStore> =>
  Effect.gen(function* () {
    const [pulse, store] = [yield* Pulse, yield* TokenStore]
    const beat = pulse.beat("worker", Duration.sum(STILL, Duration.times(every, 3)))
    yield* beat
    return { ...store, due: (claim: DueClaim) => Effect.zipRight(beat, store.due(claim)) }
  })

/** Far longer than a round takes, whatever the database and the authorization servers do. */
const STILL = Duration.minutes(5)
