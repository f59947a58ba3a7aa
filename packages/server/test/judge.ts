import type { LogEntry } from "@evertoken/authority"

/**
 * The refresh tokens that came again, and why. The log alone decides, so that it is the same on a machine of any speed:
 * a pair that was in use must never be followed by its predecessor; one that was not was lost with its process, whose
 * answer did not arrive, or whose lease ran out before it had saved it.
 */
export const judge = (requests: ReadonlyArray<LogEntry>, killed: ReadonlyMap<string, number>, connections: number) => {
  const log = [...requests].sort((a, b) => a.at - b.at)
  const issuedAt = new Map(log.map(({ at, issued, took }) => [issued, at + took]))
  const spent = new Map<string, LogEntry>()
  const [unexplained, missed, starved, dead] = [[] as string[], [] as string[], [] as string[], new Set<string>()]
  let [replays, overtaken] = [0, 0]
  /** The first of the tokens that led to this one. */
  const first = new Map<string, string>()
  for (const entry of log) {
    const { agent = "", alarm, at, issued, outcome, presented } = entry
    if (presented === undefined) continue
    if (issued !== undefined) first.set(issued, first.get(presented) ?? presented)
    const before = spent.get(presented)
    if (before === undefined) {
      if (outcome === "ok") spent.set(presented, entry)
      continue
    }
    replays++
    const since = at - before.at
    const end = killed.get(before.agent ?? "") ?? Number.POSITIVE_INFINITY
    const told = `${presented} of ${before.agent} came again from ${agent} after ${since} ms`
    const inUse = before.issued !== undefined && (spent.get(before.issued)?.at ?? at) < at
    if (inUse) unexplained.push(`${told}, although what it had brought was in use`)
    else if (end > at && before.delivered) {
      if (since < HELD) unexplained.push(`${told}, although its holder was alive and had its lease`)
      else overtaken++
    }
    if (!alarm) continue
    dead.add(first.get(presented) ?? presented)
    // Each of the others is renewed at half of its life, unless the machine cannot keep up.
    const others = log.filter((other) => other.at > before.at && other.at < at && other.presented !== presented)
    const due = (connections * since) / (LIFETIME / 2)
    const ages = others.map((other) => other.at - (issuedAt.get(other.presented) ?? other.at))
    const late = ages.filter((age) => age > LIFETIME / 2 + (WINDOW - LEASE) / 2).length
    const text = `${told}; of ${Math.round(due)} renewals due meanwhile ${others.length} were made, ${late} of them late`
    if (others.length < 0.8 * due || late * 4 >= others.length) starved.push(text)
    else missed.push(`${text}: nobody looked at it in its window`)
  }
  return { replays, overtaken, starved, missed, unexplained, dead }
}

/**
 * For how long, in milliseconds, a holder surely has its lease after its request was seen: a third of it is left when it
 * looks for the last time, and half of that may go by on the way.
 */
export const HELD = 333

/** What an access token lasts, for how long a refresh token may come again, and the lease, in milliseconds. */
export const [LIFETIME, WINDOW, LEASE] = [20_000, 8_000, 2_000]
