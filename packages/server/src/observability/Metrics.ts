// observability/: Logs and metrics.
// May import config/.
// Must not know of routes and handlers.

import { Health } from "@evertoken/client/api"
import { TokenStore } from "@evertoken/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import { makeCensus } from "./Census.js"
import { makeProcessMetrics } from "./ProcessMetrics.js"
import * as Prometheus from "./Prometheus.js"
import { makeShared } from "./Shared.js"

/** Counts the answers to requests. The labels are of a bounded number: a route is a path of the API, or `other`. */
export const makeAnswers = () => {
  const known = new Map<string, Metric.Metric.Counter<number>>()
  return (route: string, method: string, status: number): Metric.Metric.Counter<number> => {
    const name = `${route} ${method} ${status}`
    const counter =
      known.get(name) ?? Metric.taggedWithLabels(answers, labels({ route, method, status: String(status) }))
    known.set(name, counter)
    return counter
  }
}

const answers = Metric.counter("evertoken_http_requests", {
  description: "Answers to HTTP requests, by route, method and status",
  incremental: true
})

const labels = (of: Readonly<Record<string, string>>) =>
  Object.entries(of).map(([name, value]) => MetricLabel.make(name, value))

/** Requests with an API key that nobody has. */
export const refusals = Metric.counter("evertoken_api_keys_refused", {
  description: "Requests with an API key that no caller has",
  incremental: true
})

/** What Prometheus is told of this process, and of the database that it works on. */
export const make: Effect.Effect<Effect.Effect<string>, never, TokenStore | Scope> = Effect.gen(function* () {
  const store = yield* TokenStore
  const ofProcess = yield* makeProcessMetrics
  const census = yield* makeCensus(store)
  yield* Metric.value(refusals)
  const firstDue = makeShared(Effect.option(store.firstDue), "5 seconds")
  return Effect.gen(function* () {
    const [counts, first] = yield* Effect.all([census, Effect.timeoutOption(firstDue, "2 seconds")], {
      concurrency: "unbounded"
    })
    const now = yield* Clock.currentTimeMillis
    const seconds = (millis: number) => millis / 1_000
    const overdue = Option.map(Option.flatten(first), (due) =>
      Option.match(due, { onNone: () => 0, onSome: (at) => seconds(Math.max(0, now - at)) })
    )
    const login = counts?.loginBy === undefined ? Number.POSITIVE_INFINITY : seconds(counts.loginBy - now)
    return Prometheus.text([
      ...(yield* Prometheus.counted),
      ...(yield* ofProcess),
      Prometheus.gauge(
        "evertoken_oldest_due_seconds",
        "For how long the row that is due the longest has waited for a worker; NaN where the database does not tell",
        Option.getOrElse(overdue, () => Number.NaN)
      ),
      Prometheus.gauge(
        "evertoken_nearest_login_seconds",
        "Seconds until the first refresh token ends; +Inf where none is known to end",
        counts === undefined ? Number.NaN : login
      ),
      {
        name: "evertoken_connections",
        help: "Connections in the database, by health; NaN until they are counted",
        type: "gauge",
        samples: Health.literals.map((health) => ({ labels: { health }, value: counts?.health[health] ?? Number.NaN }))
      }
    ])
  })
})
