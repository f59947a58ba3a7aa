import { Connection } from "@evertoken/client/api"
import type { Failure, Listed } from "@evertoken/core/store"

/** How a kept connection is doing, as of `now` (epoch milliseconds). */
export const connectionOf = ({ error, generation, key, record }: Listed, now: number): Connection => {
  const tokens = record?.tokens
  const failure = record?.failure
  const loginBy = tokens?.refreshTokenExpiresAt
  return new Connection({
    key,
    health: healthOf({ error, generation, key, record }, now),
    generation,
    expiresAt: tokens?.expiresAt,
    renewedAt: record?.refreshedAt,
    dueAt: record?.dueAt,
    loginBy,
    failures: record?.failures ?? 0,
    failedAt: record?.failedAt,
    failure: error?.message ?? (failure && told(failure)),
    nextAttemptAt: record?.retryAt
  })
}

const told = ({ code, detail, reason, status, tag }: Failure): string => {
  const why = [code ?? reason, status === undefined ? undefined : `HTTP ${status}`, detail].filter((part) => part)
  return why.length === 0 ? tag : `${tag}: ${why.join(", ")}`
}

const healthOf = ({ error, record }: Listed, now: number): Connection["health"] => {
  if (record === undefined) return error === undefined ? "login" : "unreadable"
  if (record.dead || record.tokens === undefined) return "login"
  const { expiresAt, obtainedAt, refreshTokenExpiresAt: end, refreshTokenEndSetAt: since = obtainedAt } = record.tokens
  const holds = expiresAt === undefined || now < expiresAt
  if (!holds) return record.failures > 0 || record.intentAt !== undefined ? "down" : "idle"
  if (record.failures > 0) return "failing"
  // An end that each refresh puts off may always be near; only one that is nearer than half of its span is news.
  return end !== undefined && end - now < Math.min(SOON, (end - (since ?? now)) / 2) ? "soon" : "ok"
}

const SOON = 7 * 86_400_000
