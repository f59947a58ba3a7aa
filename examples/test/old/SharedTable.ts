import { Clock, Effect } from "effect"

/** What the Python table, worker and consumer did, faults included. Each `write` is a statement of its own. */
export const makeSharedTable = (fetch: Effect.Effect<string>, zoneHours: number) => {
  const row = { token: undefined as string | undefined, expiresAt: "", updating: false }
  const read = Effect.as(Effect.yieldNow(), row).pipe(Effect.map((row) => ({ ...row })))
  const write = (to: Partial<typeof row>) =>
    Effect.zipRight(
      Effect.yieldNow(),
      Effect.sync(() => Object.assign(row, to))
    )
  /** `datetime.now()`: the wall clock's local time, and no word of its zone. */
  const local = (millis: number) => new Date(millis + zoneHours * HOUR).toISOString().slice(0, -1)
  /** `datetime.utcnow() + timedelta(hours=1)`, next to what was written in local time. */
  const isDue = (expiresAt: string, now: number) => Date.parse(`${expiresAt}Z`) <= now + HOUR

  const update = Effect.gen(function* () {
    yield* write({ updating: true })
    const token = yield* fetch
    yield* write({ token, expiresAt: local((yield* Clock.currentTimeMillis) + 12 * HOUR) })
    yield* write({ updating: false })
  })
  return {
    row,
    /** One look of the worker, which comes every 30 minutes. */
    look: Effect.gen(function* () {
      const { expiresAt, token, updating } = yield* read
      if (!updating && (token === undefined || isDue(expiresAt, yield* Clock.currentTimeMillis))) yield* update
    }),
    /** The consumer: it asks each 5 seconds until there is a token and nobody is updating. */
    consume: Effect.gen(function* () {
      for (;;) {
        const { token, updating } = yield* read
        if (token !== undefined && !updating) return token
        yield* Effect.sleep("5 seconds")
      }
    })
  }
}

const HOUR = 3_600_000
