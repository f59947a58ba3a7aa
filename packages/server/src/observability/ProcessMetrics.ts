import { readdirSync, readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { type Family, gauge } from "./Prometheus.js"

/** What the process itself takes, and which version it is. What the system does not tell is left out. */
export const makeProcessMetrics: Effect.Effect<Effect.Effect<ReadonlyArray<Family>>, never, Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const lag = monitorEventLoopDelay({ resolution: RESOLUTION })
      lag.enable()
      return lag
    }),
    (lag) => Effect.sync(() => lag.disable())
  ),
  (lag) =>
    Effect.sync(() => {
      // Each is the time between two of its timers, which is the resolution where nothing is late.
      const longest = Math.max(0, lag.max / 1e9 - RESOLUTION / 1e3)
      lag.reset()
      const { system, user } = process.cpuUsage()
      return [
        {
          ...{ name: "process_cpu_seconds_total", help: "User and system CPU time", type: "counter" as const },
          samples: [{ value: (user + system) / 1e6 }]
        },
        gauge("process_resident_memory_bytes", "Resident memory", process.memoryUsage.rss()),
        gauge("process_start_time_seconds", "When the process started, since the epoch", performance.timeOrigin / 1e3),
        ...optional("process_open_fds", "Open file descriptors", openFiles()),
        ...optional("process_max_fds", "The most file descriptors that may be open", mostFiles()),
        gauge(
          "nodejs_eventloop_lag_seconds",
          "The longest that the event loop stood still since the last answer",
          longest
        ),
        gauge("evertoken_build_info", "The version of the service", 1, { version })
      ]
    })
)

const optional = (name: string, help: string, value: Option.Option<number>): ReadonlyArray<Family> =>
  Option.match(value, { onNone: () => [], onSome: (value) => [gauge(name, help, value)] })

const openFiles = Option.liftThrowable(() => readdirSync("/proc/self/fd").length)

const mostFiles = (): Option.Option<number> =>
  Option.filterMap(readText("/proc/self/limits"), (limits) => {
    const [, most] = /^Max open files +(\d+)/m.exec(limits) ?? []
    return Option.map(Option.fromNullable(most), Number)
  })

const readText = Option.liftThrowable((file: string | URL) => readFileSync(file, "utf8"))

/** As the package's own file says; a program that holds the service in itself has none beside it. */
export const version = Option.getOrElse(
  Option.flatMap(
    readText(new URL("../../package.json", import.meta.url)),
    Schema.decodeOption(Schema.parseJson(Schema.Struct({ version: Schema.String })))
  ),
  () => ({ version: "unknown" })
).version

/** Milliseconds. */
const RESOLUTION = 20
