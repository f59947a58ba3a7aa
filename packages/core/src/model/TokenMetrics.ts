import { Metric, MetricBoundaries } from "effect"

/** Attempts at the token endpoint, tagged `outcome`: `refreshed`, `failed`, `refused`, `in_doubt`. */
export const refreshes = Metric.counter("evertoken_refreshes", {
  description: "Attempts at the token endpoint, by outcome",
  incremental: true
})

/** How long attempts at the token endpoint took, in milliseconds. */
export const refreshDuration = Metric.histogram(
  "evertoken_refresh_duration_milliseconds",
  MetricBoundaries.exponential({ start: 10, factor: 2, count: 11 }),
  "How long attempts at the token endpoint took"
)

/** Callers that had to wait for a token. */
export const waits = Metric.counter("evertoken_waits", {
  description: "Callers that had to wait for a token",
  incremental: true
})

/** Tokens that a resource server refused while they were current. */
export const rejections = Metric.counter("evertoken_rejections", {
  description: "Current tokens that a resource server refused",
  incremental: true
})

/** Keys that a worker claimed because they were due. */
export const claims = Metric.counter("evertoken_worker_claims", {
  description: "Keys that a worker claimed because they were due",
  incremental: true
})

/** What came of claimed keys, tagged `outcome`: `renewed`, `adopted`, or the class of an error. */
export const outcomes = Metric.counter("evertoken_worker_outcomes", {
  description: "What came of claimed keys, by outcome",
  incremental: true
})
