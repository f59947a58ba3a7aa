import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

/** Attempts at the token endpoint, tagged `outcome`: `refreshed`, `failed`, `refused`, `in_doubt`. */
export const refreshes = Metric.counter("evertoken_refreshes", {
  description: "Attempts at the token endpoint, by outcome",
  incremental: true
})

/** How long attempts at the token endpoint took, in seconds. */
export const refreshDuration = Metric.histogram(
  "evertoken_refresh_duration_seconds",
  MetricBoundaries.fromIterable([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]),
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

/** Statements that the store did not answer, or answered with an error. */
export const storeErrors = Metric.counter("evertoken_store_errors", {
  description: "Statements that the store failed, or did not answer in time",
  incremental: true
})

/** Makes each metric known to whoever reads them, at zero, before anything has happened. */
export const register: Effect.Effect<void> = Effect.suspend(() => {
  const tagged = [
    ...REFRESHES.map((outcome) => Metric.tagged(refreshes, "outcome", outcome)),
    ...OUTCOMES.map((outcome) => Metric.tagged(outcomes, "outcome", outcome))
  ]
  return Effect.zipRight(
    Effect.forEach([...tagged, waits, rejections, claims, storeErrors], Metric.value, { discard: true }),
    Metric.value(refreshDuration)
  )
})

const REFRESHES = ["refreshed", "failed", "refused", "in_doubt"]
const OUTCOMES = [
  ...["renewed", "adopted", "ReauthorizationRequired", "TokenEndpointError", "TokenSourceDefect", "ClientRejected"],
  ...["RefreshInDoubt", "Unauthorized", "TokenStoreError", "ProviderClosed", "NoSource"]
]
