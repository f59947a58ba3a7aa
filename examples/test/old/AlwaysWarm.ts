import { Clock, Effect, type Scope } from "effect"

/** What the Elixir GenServer with its ETS table did, faults included. `fetch` gives a token, and when it ends. */
export const makeAlwaysWarm = <E>(
  fetch: Effect.Effect<{ readonly token: string; readonly endsAt: number }, E>
): Effect.Effect<{ readonly get: Effect.Effect<string, E> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    // A GenServer handles one message after another.
    const mailbox = (yield* Effect.makeSemaphore(1)).withPermits(1)
    let table: { readonly token: string; readonly endsAt: number } | undefined

    const sendAfter = (millis: number, message: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.asVoid(Effect.forkIn(Effect.delay(mailbox(message), millis), scope))
    const keep = Effect.fnUntraced(function* (fetched: { readonly token: string; readonly endsAt: number }) {
      table = fetched
      yield* sendAfter(fetched.endsAt - (yield* Clock.currentTimeMillis) - 300_000, renew)
    })
    const renew: Effect.Effect<void> = Effect.suspend(() =>
      Effect.matchEffect(fetch, { onSuccess: keep, onFailure: () => sendAfter(5_000, renew) })
    )
    // It fetches for each message, also where the one before has just brought a token.
    const handleCall = Effect.map(Effect.tap(fetch, keep), ({ token }) => token)

    return {
      get: Effect.flatMap(Clock.currentTimeMillis, (now) =>
        table !== undefined && now < table.endsAt ? Effect.succeed(table.token) : mailbox(handleCall)
      )
    }
  })
