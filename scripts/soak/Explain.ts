import type { LogEntry } from "../../packages/authority/src/LogEntry.js"

/** A life of a process that was killed, and how many keys it had tokens for that it could not save. */
export interface Killed {
  readonly agent: string
  readonly at: number
  readonly unsaved: number
}

/** Milliseconds that an answer may be under way in a process before it is saved. */
const UNDER_WAY = 2_000

/**
 * Why a spent refresh token was presented again, for each alarm: the first answer to it was never sent; or who had it was
 * killed before it was saved, or after it was saved on a server whose last commits a stale replica then lacked.
 */
export const explain = (
  log: ReadonlyArray<LogEntry>,
  harm: { readonly killed: ReadonlyArray<Killed>; readonly failovers: ReadonlyArray<number> }
) => {
  const from = new Map<string, string>()
  for (const { issued, presented } of log) {
    if (issued !== undefined && presented !== undefined) from.set(issued, presented)
  }
  const grantOf = (token: string): string => {
    let at = token
    for (let before = from.get(at); before !== undefined; before = from.get(at)) at = before
    return at
  }
  const why = (alarm: LogEntry): string | undefined => {
    const spent = log.filter((entry) => entry.presented === alarm.presented && entry.outcome === "ok")
    if (spent.some(({ delivered }) => !delivered)) return "the answer was lost"
    for (const { agent, at, took } of spent) {
      const end = harm.killed.find((one) => one.agent === agent && one.at >= at && one.at < alarm.at)
      if (end === undefined) continue
      if (end.at < at + took + UNDER_WAY || end.unsaved > 0) return "killed with tokens that were not saved"
      if (harm.failovers.some((then) => then > at && then < alarm.at)) return "killed, and a replica lacked its commit"
    }
    return undefined
  }
  const alarms = log.filter(({ alarm }) => alarm)
  const explained = alarms.filter((alarm) => why(alarm) !== undefined)
  const told = new Map<string, number>()
  for (const alarm of explained) told.set(why(alarm) ?? "", (told.get(why(alarm) ?? "") ?? 0) + 1)
  return {
    /** How many grants ended by an alarm that is explained. */
    grants: new Set(explained.map(({ presented }) => grantOf(presented ?? ""))).size,
    reasons: [...told].map(([reason, times]) => `${times} ${reason}`),
    unexplained: alarms.filter((alarm) => why(alarm) === undefined)
  }
}
