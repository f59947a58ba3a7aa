import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { OAuth2, RefreshPolicy, TokenProvider, TokenSet } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import {
  Cause,
  Effect,
  Exit,
  Inspectable,
  Logger,
  LogLevel,
  Metric,
  Redacted,
  Schedule,
  Stream,
  TestClock,
  Tracer
} from "effect"
import { corpus, now, type Recorded } from "./corpus.js"
import { answering } from "./network.js"

/** Each holds the word that is looked for. */
const secrets = {
  client: "canary:client/secret",
  current: "canary-current-refresh-token",
  old: "canary-old-access-token",
  access: "canary-new-access-token",
  rotated: "canary-new-refresh-token",
  unknown: "canary5unknown9token"
}

describe("P11: secrets of a refresh", () => {
  const answers: ReadonlyArray<Recorded> = [
    { name: "rotated", body: { access_token: secrets.access, refresh_token: secrets.rotated, expires_in: 3600 } },
    {
      name: "repeated in an error",
      status: 400,
      body: { error: "invalid_request", error_description: `${secrets.current} ${secrets.client} ${secrets.unknown}` }
    },
    { name: "repeated as a code", status: 400, body: { error: secrets.current } },
    { name: "half an answer", body: `{"access_token":"${secrets.access}","refresh_token":"${secrets.rotated}` },
    { name: "wrong types", body: { access_token: [secrets.access], refresh_token: secrets.rotated } },
    ...corpus.filter(({ declared, error }, index) => error !== undefined && declared === undefined && index % 3 === 0)
  ]
  for (const recorded of answers) {
    it.effect(`are told nowhere: ${recorded.name}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now)
        const told: Array<unknown> = []
        const provider = yield* TokenProvider.make({
          key: "alice",
          source: OAuth2.refreshToken({
            tokenEndpoint: "https://auth.example.com/token",
            clientId: "app",
            clientSecret: Redacted.make(secrets.client)
          }),
          policy: RefreshPolicy.make({ retry: Schedule.recurs(0) })
        })
        yield* Effect.forkScoped(Stream.runForEach(provider.events, (event) => Effect.sync(() => told.push(event))))
        yield* provider.put(
          TokenSet.make({ accessToken: secrets.old, refreshToken: secrets.current, expiresIn: "1 hour" })
        )
        const exit = yield* provider.refresh.pipe(
          Effect.timeout("1 minute"),
          Effect.tapErrorCause((cause) => Effect.logError("it failed", cause)),
          Effect.exit,
          Effect.fork,
          Effect.tap(TestClock.adjust("2 minutes")),
          Effect.flatMap((fiber) => fiber.await),
          Effect.flatten
        )
        told.push(exit, yield* provider.status, provider, yield* Metric.snapshot)
        if (Exit.isFailure(exit)) told.push(Cause.pretty(exit.cause), Cause.squash(exit.cause))
        assert.isNotEmpty(told)
        return told
      }).pipe(
        Effect.scoped,
        Effect.provide([MemoryTokenStore.layer, answering([], () => response(recorded))]),
        watched,
        Effect.flatMap((told) =>
          Effect.forEach(told, (thing) =>
            Effect.sync(() => {
              const shown = [String(thing), Inspectable.toStringUnknown(thing), inspect(thing, { depth: 10 })]
              assert.notInclude(shown.join(), "canary")
            })
          )
        )
      )
    )
  }
})

const response = ({ body, headers = {}, status = 200 }: Recorded) =>
  new Response(status === 204 ? null : typeof body === "string" ? body : JSON.stringify(body), { status, headers })

/** All that `effect` gave, logged and traced. */
const watched = <E, R>(effect: Effect.Effect<ReadonlyArray<unknown>, E, R>) =>
  Effect.gen(function* () {
    const seen: Array<unknown> = []
    const native = yield* Effect.tracer
    const tracer = Tracer.make({
      context: (run, fiber) => native.context(run, fiber),
      span: (...span) => {
        const made = native.span(...span)
        seen.push(made)
        return made
      }
    })
    const logger = Logger.make((log) => {
      seen.push(Logger.stringLogger.log(log), Logger.structuredLogger.log(log))
    })
    const told = yield* effect.pipe(
      Effect.withTracer(tracer),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
    assert.isNotEmpty(seen)
    return [...told, ...seen]
  })
