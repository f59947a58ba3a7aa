import { FetchHttpClient } from "@effect/platform"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Authority } from "@evertoken/authority"
import { TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Cause, Clock, Data, Effect, Exit, Fiber, Redacted, Schedule, Stream } from "effect"
import { type Act, acts, type Check, reports, type Seen, type Stage } from "./Acts.js"
import { startApi } from "./Api.js"
import { openScreen, type Screen } from "./Screen.js"
import { draw, legend, type Scene } from "./Timeline.js"

const demo = Effect.gen(function* () {
  const screen = yield* openScreen
  const authority = yield* Authority.make({
    lifetime: "6 seconds",
    lifetimes: { reports: "2 seconds" },
    clients: [
      {
        client_id: reports.clientId,
        client_secret: Redacted.value(reports.clientSecret),
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: []
      }
    ]
  })
  const api = yield* startApi(authority)
  yield* screen.line(`An authorization server at ${authority.issuer}, an API at ${api}, and a program that calls it.`)
  yield* Effect.forEach(legend, screen.line)
  yield* screen.line("")
  const checks = yield* Effect.forEach(acts, (act) => perform(act, screen, { authority, api }))
  yield* Effect.forEach(table(checks, screen.color), screen.line)
  if (checks.flat().some((check) => check.seen !== check.expected)) {
    return yield* new DemoFailed({ message: "The authorization server's log does not say what it should." })
  }
}).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))

/** Plays one act, draws it meanwhile, and gives what its checks came to. */
const perform = (act: Act, screen: Screen, where: Pick<Stage, "authority" | "api">) =>
  Effect.gen(function* () {
    yield* where.authority.clear
    const start = yield* Clock.currentTimeMillis
    const tokens: Array<Scene["tokens"][number]> = []
    const calls: Array<Scene["calls"][number]> = []
    const stage: Stage = {
      ...where,
      called: (count, ok) => Effect.map(Clock.currentTimeMillis, (at) => void calls.push({ at, count, ok }))
    }
    const picture = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const log = yield* where.authority.log
      return draw({ title: act.title, about: act.about, length: act.length, start, tokens, calls, log }, now, screen)
    })
    const drawing = yield* Effect.fork(
      Effect.repeat(Effect.flatMap(picture, screen.frame), Schedule.spaced("80 millis"))
    )
    yield* Effect.gen(function* () {
      const provider = yield* TokenProvider
      yield* Effect.fork(
        Stream.runForEach(provider.changes, ({ expiresAt = 0, obtainedAt }) =>
          Effect.sync(() => tokens.push({ at: obtainedAt, expiresAt }))
        )
      )
      yield* act.play(stage)
    }).pipe(Effect.provide(act.provider(stage)), Effect.provide(MemoryTokenStore.layer))
    yield* Fiber.interrupt(drawing)
    yield* Effect.flatMap(picture, screen.settle)

    const log = yield* where.authority.log
    const count = (test: (entry: (typeof log)[number]) => boolean) => log.filter(test).length
    const sum = (ok: boolean) => calls.reduce((sum, call) => sum + (call.ok === ok ? call.count : 0), 0)
    const seen: Seen = {
      issued: count(({ endpoint, outcome }) => endpoint === "token" && outcome === "ok"),
      unavailable: count(({ outcome }) => outcome === "unavailable"),
      alarms: count(({ alarm }) => alarm),
      alive: count(({ active }) => active === true),
      dead: count(({ active }) => active === false),
      succeeded: sum(true),
      failed: sum(false)
    }
    return act.checks(seen)
  })

/** The counts of all acts, with a mark for each that is as it should be. */
const table = (acts: ReadonlyArray<ReadonlyArray<Check>>, color: boolean): ReadonlyArray<string> => [
  `${"What the authorization server's own log says".padEnd(48)}${"expected".padStart(10)}${"seen".padStart(8)}`,
  ...acts.flatMap((checks, act) =>
    checks.map(({ expected, seen, what }, index) => {
      const mark = expected === seen ? "✓" : "✗"
      const shown = color ? `\u001b[${expected === seen ? 32 : 31}m${mark}\u001b[0m` : mark
      const number = index === 0 ? String(act + 1) : " "
      return `${`${number}  ${what}`.padEnd(48)}${String(expected).padStart(10)}${String(seen).padStart(8)}  ${shown}`
    })
  )
]

/** The demo ran, and did not show what it promises. */
class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly message: string }> {}

demo.pipe(
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, end) => {
      if (Exit.isSuccess(exit)) return end(0)
      const stopped = Cause.isInterruptedOnly(exit.cause)
      const problem = stopped ? "Stopped." : Cause.prettyErrors(exit.cause)[0]?.message.split("\n")[0]
      process.stderr.write(`${problem ?? "The demo failed."}\n`)
      end(stopped ? 130 : 1)
    }
  })
)
