/**
 * Tries to break the real parts: PostgreSQL, an `oidc-provider` that punishes each refresh token that comes twice, and
 * processes that are killed, paused and cut off at random. Prints one page at the end: `npm run soak -- --minutes N`.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Authority, type Fault, lost, slowAnswer, unavailable } from "@evertoken/authority"
import { TokenCipher, TokenSet, TokenStore } from "@evertoken/core"
import { SqlTokenStore } from "@evertoken/store-sql"
import { Config, Effect, Layer, Random, Redacted, Schema } from "effect"
import { embeddedPostgres } from "../../packages/store-sql/test/EmbeddedPostgres.js"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "15" },
    processes: { type: "string", default: "4" },
    keys: { type: "string", default: "6" }
  }
})
const minutes = Number(values.minutes)
const keys = Array.from({ length: Number(values.keys) }, (_, index) => `soak-${index}`)
const table = `soak_${Date.now().toString(36)}`

const Line = Schema.parseJson(
  Schema.Struct({
    gets: Schema.Number,
    waits: Schema.Number,
    checked: Schema.Number,
    ended: Schema.Number,
    lastSecond: Schema.Number,
    older: Schema.Number,
    failed: Schema.Record({ key: Schema.String, value: Schema.Number }),
    heap: Schema.Number,
    rss: Schema.Number,
    handles: Schema.Number
  })
)
type Line = typeof Line.Type

const given = process.env.EVERTOKEN_TEST_POSTGRES_URL
const database = given === undefined || given === "" ? embeddedPostgres : Effect.succeed(given)

/** A place where a worker runs, is killed, and runs again. */
class Place {
  readonly lines: Array<Line> = []
  starts = 0
  broken = 0
  private child: ChildProcess | undefined

  constructor(private readonly args: ReadonlyArray<string>) {
    this.start()
  }

  start(): void {
    this.starts++
    const worker = fileURLToPath(new URL("./worker.ts", import.meta.url))
    const flags = ["--expose-gc", "--conditions=@evertoken/source", "--import", "tsx", worker, ...this.args]
    const child = spawn(process.execPath, flags, { stdio: ["pipe", "pipe", "inherit"] })
    this.child = child
    child.stdin.on("error", () => {}) // it may end while its clock is set
    createInterface(child.stdout).on("line", (line) => this.lines.push(Schema.decodeUnknownSync(Line)(line)))
    child.once("exit", (code) => {
      if (code !== null && code !== 0) this.broken++
    })
  }

  /** Sets its wall clock forward, or back. */
  step(millis: number): void {
    this.child?.stdin?.write(`${millis}\n`)
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.child?.kill(signal)
  }
}

const Store = (url: string) =>
  Layer.provide(
    SqlTokenStore.layer({
      encryption: TokenCipher.config(Config.succeed(Redacted.make(`soak=${"A".repeat(43)}`))),
      table
    }),
    PgClient.layer({ url: Redacted.make(url) })
  )

const soak = Effect.gen(function* () {
  const url = yield* database
  const server = yield* Authority.spawn({ lifetime: "10 seconds", refreshLifetime: "1 day", replayWindow: "1 minute" })
  yield* Effect.gen(function* () {
    const store = yield* TokenStore
    for (const key of keys) {
      const { accessToken, expiresIn, refreshToken } = yield* server.mint({ account: key })
      const tokens = TokenSet.make({ accessToken, refreshToken, expiresIn }).obtained(Date.now())
      yield* store.put(key, tokens, undefined)
    }
  }).pipe(Effect.provide(Store(url)))

  const args = [url, table, server.tokenEndpoint, server.introspectionEndpoint, keys.join(",")]
  const places = yield* Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: Number(values.processes) }, () => new Place(args))),
    (places) =>
      Effect.sync(() => {
        for (const place of places) place.signal("SIGKILL")
      })
  )
  const done = { kills: 0, pauses: 0, steps: 0, faults: 0 }
  const faults: ReadonlyArray<Fault> = [unavailable, lost(), slowAnswer("3 seconds"), slowAnswer("8 seconds")]
  const until = Date.now() + minutes * 60_000
  yield* Effect.sleep("10 seconds")
  while (Date.now() < until - 45_000) {
    // The first is paused but never killed, so that its memory tells of the whole time.
    const index = yield* Random.nextIntBetween(0, places.length)
    const place = places[index]
    const dice = yield* Random.next
    const fault = faults[yield* Random.nextIntBetween(0, faults.length)]
    if (place === undefined || fault === undefined) continue
    if (dice < 0.35 && index > 0) {
      done.kills++
      place.signal("SIGKILL")
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 3_000))
      place.start()
    } else if (dice < 0.6) {
      done.pauses++
      place.signal("SIGSTOP")
      yield* Effect.sleep(yield* Random.nextIntBetween(500, 15_000))
      place.signal("SIGCONT")
    } else if (dice < 0.8) {
      done.steps++
      place.step(yield* Random.nextIntBetween(-20_000, 20_000))
    } else {
      done.faults++
      yield* server.break(fault, yield* Random.nextIntBetween(1, 4))
    }
    yield* Effect.sleep(yield* Random.nextIntBetween(500, 6_000))
    if ((done.kills + done.pauses + done.steps + done.faults) % 10 === 0) {
      console.error(`${Math.round((until - Date.now()) / 60_000)} minutes left, ${JSON.stringify(done)}`)
    }
  }
  yield* server.heal
  yield* Effect.sleep(Math.max(0, until - Date.now()))
  const log = yield* server.tokenRequests
  return { places, done, log }
})

const sum = (lines: ReadonlyArray<Line>, of: (line: Line) => number) =>
  lines.reduce((total, line) => total + of(line), 0)
const mega = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`
const mean = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0) / values.length

const { done, log, places } = await Effect.runPromise(Effect.scoped(soak))
// A tally starts at zero with each life, so the last line of each life counts.
const lasts = places.flatMap(({ lines }) => lines.filter((line, at) => (lines[at + 1]?.gets ?? -1) < line.gets))
const failed = new Map<string, number>()
for (const line of lasts)
  for (const [name, times] of Object.entries(line.failed)) failed.set(name, (failed.get(name) ?? 0) + times)
const count = (is: (entry: (typeof log)[number]) => boolean) => log.filter(is).length
const first = places[0]?.lines ?? []
const third = Math.max(1, Math.floor(first.length / 3))
const early = first.slice(Math.min(3, first.length - 1), third + 3)
const late = first.slice(-third)
const growth = mean(late.map(({ heap }) => heap)) / mean(early.map(({ heap }) => heap))
const alarms = count(({ alarm }) => alarm)
const ended = sum(lasts, (line) => line.ended)
const older = sum(lasts, (line) => line.older)
const dead = [...failed.keys()].filter((name) => /Reauthorization|InDoubt|ClientRejected/.test(name))
const broken = places.reduce((total, place) => total + place.broken, 0)

console.log(`Soak of ${minutes} minutes: ${places.length} processes, ${keys.length} keys, access tokens of 10 seconds

harm done                 ${done.kills} SIGKILL, ${done.pauses} SIGSTOP and SIGCONT, ${done.steps} clocks set, ${done.faults} faults of the token endpoint
tokens handed out         ${sum(lasts, (line) => line.gets)}, ${sum(lasts, (line) => line.waits)} of them after more than a second
checked by introspection  ${sum(lasts, (line) => line.checked)}, of which ended: ${ended}, and ${sum(lasts, (line) => line.lastSecond)} in their last second
older than seen before    ${older}
calls that failed         ${[...failed].map(([name, times]) => `${times} ${name}`).join(", ") || "none"}
token requests            ${log.length}: ${count(({ outcome }) => outcome === "ok")} ok, ${count(({ outcome }) => outcome === "refused")} refused, ${count(({ outcome }) => outcome === "unavailable")} unavailable; ${count(({ delivered }) => !delivered)} answers lost
reuse alarms              ${alarms}
processes that broke      ${broken}
memory of the first       heap ${mega(mean(early.map(({ heap }) => heap)))} early, ${mega(mean(late.map(({ heap }) => heap)))} late (${growth.toFixed(2)} times)
handles of the first      ${Math.round(mean(early.map(({ handles }) => handles)))} early, ${Math.round(mean(late.map(({ handles }) => handles)))} late`)

const clean = alarms === 0 && ended === 0 && older === 0 && dead.length === 0 && broken === 0 && growth < 1.3
console.log(clean ? "\nclean" : "\nNOT CLEAN")
process.exit(clean ? 0 : 1)
