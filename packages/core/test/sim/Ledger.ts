import { TokenSet } from "@evertoken/core"
import type { Committed, Failed, LeaseRequest, PutRow, Snapshot } from "@evertoken/core/store"
import { Redacted } from "effect"
import type { Grants, Minted } from "../../src/testing/Grants.js"
import type { Machine, World } from "../../src/testing/World.js"
import type { Setup } from "./History.js"

/**
 * Watches the store and the token endpoint from outside, with books of its own, and says when the protocol breaks one
 * of its promises.
 */
export class Ledger {
  readonly presentations = new Map<string, Array<Presentation>>()
  /** When tokens, by their access token, were taken in by the store. */
  readonly installed = new Map<string, number>()
  /** Tokens whose commit was denied, and when. */
  readonly denied = new Map<string, number>()
  /** When a key was last removed, whatever a stale replica says of it. */
  readonly removals = new Map<string, number>()
  /** Answers that arrived at a process that lived. */
  readonly answers: Array<{
    readonly minted: Minted
    readonly machine: Machine
    readonly key: string
    readonly at: number
  }> = []
  posts = 0
  private readonly rows = new Map<string, Row>()

  constructor(
    private readonly world: World,
    private readonly authority: Grants,
    private readonly setup: Setup
  ) {}

  row(key: string): Row {
    const known = this.rows.get(key)
    if (known !== undefined) return known
    const row: Row = {
      exists: false,
      generation: 0,
      access: undefined,
      refresh: undefined,
      lease: undefined,
      failures: 0,
      failedAt: Number.NEGATIVE_INFINITY,
      retryAfter: 0,
      dead: false,
      removedAt: Number.NEGATIVE_INFINITY,
      putAt: Number.NEGATIVE_INFINITY,
      refusedAt: Number.NEGATIVE_INFINITY,
      changedAt: 0,
      writtenAt: Number.NEGATIVE_INFINITY,
      installedAt: Number.NEGATIVE_INFINITY,
      grants: 0,
      throttledUntil: 0,
      ended: []
    }
    this.rows.set(key, row)
    return row
  }

  /** The rows as they are. */
  copy(): ReadonlyMap<string, Row> {
    const copied = (row: Row): Row => ({ ...row, lease: row.lease && { ...row.lease } })
    return new Map([...this.rows].map(([key, row]) => [key, copied(row)]))
  }

  /** The store has again what it had once. */
  rewind(rows: ReadonlyMap<string, Row>): void {
    for (const [key, row] of [...this.rows]) {
      const { grants, lease, refusedAt, throttledUntil } = row
      this.rows.delete(key)
      const then = rows.get(key) ?? this.row(key)
      const since = { grants, refusedAt, throttledUntil, ended: [...row.ended, lease], changedAt: this.world.now }
      this.rows.set(key, { ...then, ...since })
    }
  }

  /** What a process has under a key: it was handed out there. */
  keeps(machine: Machine, key: string, generation: number): void {
    const kept = this.kept.get(machine) ?? new Map<string, number>()
    this.kept.set(machine, kept)
    kept.set(key, Math.max(generation, kept.get(key) ?? -1))
  }

  /** It has let go of it. */
  forgets(machine: Machine, key: string): void {
    this.kept.get(machine)?.delete(key)
  }

  newest(machine: Machine, key: string): number {
    return this.kept.get(machine)?.get(key) ?? -1
  }

  private readonly kept = new Map<Machine, Map<string, number>>()
  private readonly ends = new Map<Machine, number>()

  /** It ended in good order: what had come back to it is saved, if the store let it. */
  closed(machine: Machine): void {
    this.ends.set(machine, this.world.now)
    for (const { at, key, machine: whose, minted } of this.answers) {
      const row = this.row(key)
      const isSaved = this.installed.has(minted.access.value) || row.refresh !== minted.from?.value
      if (whose !== machine || isSaved || Math.max(row.removedAt, row.putAt) >= at) continue
      if (this.world.outages.some(({ to }) => to >= at) || this.world.failovers.some((lost) => lost >= at)) continue
      if (!troubled(machine, at)) this.fail(`P4: ${machine.name} closed, and ${minted.refresh.value} was not saved`)
    }
  }

  isClosed(machine: Machine): boolean {
    return this.ends.has(machine)
  }

  put(key: string, { generation, payload }: PutRow): void {
    const row = this.row(key)
    if (row.exists && generation <= row.generation) this.fail(`a put went back to generation ${generation}`)
    const isKnown = this.installed.has(accessOf(payload) ?? "")
    row.ended = [...row.ended, row.lease]
    this.install(key, generation, payload)
    // Tokens that a process puts back, since the store lost them, are no login.
    if (!isKnown) row.putAt = this.world.now
  }

  remove(key: string): void {
    const row = this.row(key)
    row.ended = [...row.ended, row.lease]
    Object.assign(row, { exists: false, access: undefined, refresh: undefined, lease: undefined })
    for (const kept of this.kept.values()) kept.delete(key)
    row.removedAt = row.changedAt = this.world.now
    this.removals.set(key, this.world.now)
    this.cleared(row)
  }

  lease(machine: Machine, key: string, request: LeaseRequest, { row: after }: Snapshot): void {
    const row = this.row(key)
    const { now } = this.world
    if (after !== undefined && !row.exists) {
      Object.assign(row, { exists: true, generation: after.generation, changedAt: now })
    }
    if (after?.leaseOwner !== request.owner) return
    const { lease } = row
    const store = this.storeNow(now)
    const held = lease !== undefined && lease.owner !== request.owner && lease.until > now && lease.storeUntil > store
    if (held) this.fail("P5: the lease was given while another holds it")
    const unchanged = request.known === undefined ? row.access === undefined : row.generation === request.known
    if (!unchanged && lease?.owner !== request.owner)
      this.fail("P1: the lease was given although newer tokens are there")
    // One that ended early, since the store's clock was set forward: its holder cannot know before it renews it.
    if (lease !== undefined && lease.owner !== request.owner && lease.until > now) row.ended = [...row.ended, lease]
    // One that its holder asked for twice, and the first of its requests came last, began when it was given first.
    const own = lease !== undefined && lease.owner === request.owner && lease.until > now ? lease : undefined
    row.lease = {
      owner: request.owner,
      until: now + request.lasts,
      storeUntil: store + request.lasts,
      machine,
      at: own?.at ?? now,
      posts: new Set(),
      grant: row.grants++
    }
  }

  renew(key: string, owner: string, lasts: number): void {
    const { lease } = this.row(key)
    if (lease?.owner !== owner) {
      this.fail("P5: a lease was renewed by one that does not have it")
      return
    }
    lease.until = this.world.now + lasts
    lease.storeUntil = this.storeNow(lease.until)
  }

  /** What the store's clock says at `at`, if nobody sets it meanwhile. */
  private storeNow(at: number): number {
    return this.world.storeSteps.reduce((sum, { by }) => sum + by, at)
  }

  commit(key: string, { generation, owner, tokens }: Committed<string>): void {
    const row = this.row(key)
    if (!row.exists) {
      this.fail("P10: a commit brought a removed row back")
      return
    }
    if (row.lease?.owner !== owner) return void this.fail("P5: a commit without the lease")
    if (row.generation !== generation) {
      this.fail("P2: a commit over another generation")
      return
    }
    const minted = this.mintedOf(tokens)
    const from = minted?.refresh === undefined ? undefined : this.originOf.get(minted.access.value)
    if (from !== undefined && from !== row.refresh) this.fail("P10: a commit of tokens that do not follow the row's")
    this.install(key, generation + 1, tokens)
  }

  /** The store refused to take these. */
  deny(tokens: string): void {
    const access = accessOf(tokens)
    if (access !== undefined) this.denied.set(access, this.world.now)
  }

  failed(key: string, { dead, generation, inDoubt, owner }: Failed<string>): void {
    const row = this.row(key)
    if (row.lease?.owner !== owner) {
      this.fail("P2: a failure was noted without the lease")
      return
    }
    if (row.generation !== generation) return void this.fail("P2: a failure was noted on another generation")
    row.failures++
    row.failedAt = row.changedAt = this.world.now
    row.retryAfter = inDoubt ? 0 : Math.max(0, row.throttledUntil - this.world.now)
    row.dead = dead
    row.lease = undefined
    if (dead && row.refusedAt < row.putAt) this.fail("P3: a grant was declared dead that the server did not refuse")
  }

  /** Called as a token request leaves a process. */
  post(machine: Machine, key: string, by: "refresh" | "login", presented: string, askedAt: number): Presentation {
    const row = this.row(key)
    const { now } = this.world
    this.posts++
    const presentation: Presentation = {
      machine,
      key,
      at: now,
      askedAt,
      answeredAt: undefined,
      outcome: "none yet",
      lost: false
    }
    const { ended, lease } = row
    const holds = (given: Lease | undefined) =>
      given !== undefined && given.machine === machine && given.at <= askedAt && given.until > now
    const overtaken = !holds(lease)
    // One that a login, a logout or a failover ended meanwhile seems to be held still.
    if (overtaken && !ended.some(holds) && !this.isMisled(machine)) this.fail(`P1: a ${by} without the lease`)
    if (!overtaken && lease !== undefined) {
      if (by === "refresh" && row.dead) this.fail(`P1: ${presented} was presented after it was noted to be refused`)
      if (lease.posts.has(by)) this.fail(`P1: a second ${by} under one lease`)
      lease.posts.add(by)
      const rest = 0.79 * Math.min(1_000 * 2 ** (row.failures - 1), LONGEST_REST)
      const backOff = row.failures === 0 ? 0 : Math.max(rest, row.retryAfter)
      const stepped = this.world.storeSteps.some(({ at }) => at >= row.failedAt)
      if (lease.at < row.failedAt + backOff - 1 && by === "refresh" && !row.dead && !stepped) {
        this.fail(`P8: a ${by} ${lease.at - row.failedAt} ms after failure ${row.failures}, inside the back-off`)
      }
    }
    if (by === "refresh") {
      if (!overtaken && row.refresh !== presented) this.fail("P1: a refresh token that is not the row's was presented")
      if (!overtaken && row.generation < this.newest(machine, key))
        this.fail(`P4: ${presented} is of an older row than ${machine.name} has`)
      if (this.setup.rotates) this.presented(presentation, presented)
    }
    return presentation
  }

  /** Says where minted tokens came from. */
  answered(minted: Minted): void {
    if (minted.from !== undefined) this.originOf.set(minted.access.value, minted.from.value)
  }

  mintedOf(payload: string): Minted | undefined {
    const access = accessOf(payload)
    return access === undefined ? undefined : this.minted.get(access)
  }

  readonly minted = new Map<string, Minted>()
  private readonly originOf = new Map<string, string>()

  private presented(now: Presentation, token: string): void {
    const earlier = (this.presentations.get(token) ?? []).filter((before) => !this.wasForgotten(before))
    for (const before of earlier) {
      if (before.outcome === "no effect") continue
      if (!this.isExcused(before, now)) {
        this.fail(
          `P1: ${token} was presented twice: ${before.outcome} by ${before.machine.name} at ${before.at / 1000}`
        )
        continue
      }
      if (before.outcome === "refused") continue
      const first = earlier[0] ?? before
      const inWindow = now.at <= first.at + this.setup.window * 1_000
      const access = this.authority.refreshTokens.get(token)?.access
      // A clock that was set while it read the row and decided.
      const lately = now.askedAt - this.setup.wait * 1_000
      const forward = now.machine.clockSteps.reduce((total, { at, by }) => total + (at >= lately ? Math.abs(by) : 0), 0)
      // A row that was written later than the store's clock says tells nobody how long its tokens hold.
      const unknown = this.wasAhead(now.key, lately)
      // Tokens that it has not got seem to have ended where the store's clock was set forward since they were written.
      const row = this.row(now.key)
      const unread = this.newest(now.machine, now.key) < row.generation
      const stepped = this.storeClock(now.at) - row.writtenAt - (now.at - row.installedAt)
      const sooner = forward + (unread ? Math.max(0, stepped) : 0)
      const ended =
        access === undefined ||
        unknown ||
        access.revoked ||
        this.rejected.has(access.value) ||
        access.expiresAt <= now.at + sooner + CLOCK_ERROR
      if (inWindow || (this.setup.replay === "once" && ended)) continue
      this.fail(
        this.setup.replay === "never"
          ? `P1: ${token} was presented again although its source forbids it`
          : `P1: ${token} was presented again while the old access token holds`
      )
    }
    this.presentations.set(token, [...earlier, now])
  }

  /** Whether the row seemed to be written later than now, at some time since `since`. */
  private wasAhead(key: string, since: number): boolean {
    const { now, storeSteps } = this.world
    const { writtenAt } = this.row(key)
    const after = storeSteps.filter(({ at }) => at >= since).map(({ at }) => at)
    return [since, ...after, now].some((at) => this.storeClock(at) < writtenAt)
  }

  /** What the store's clock said at `at`, as far as it was set since the beginning. */
  private storeClock(at: number): number {
    return this.world.storeSteps.reduce((sum, step) => sum + (step.at <= at ? step.by : 0), at)
  }

  /** Whether the store may not know any more that it was presented. */
  private wasForgotten({ at }: Presentation): boolean {
    return this.world.failovers.some((failover) => failover >= at)
  }

  /** Whether a refresh token may be presented `now`, although it was presented `before`. */
  private isExcused(before: Presentation, now: Presentation): boolean {
    const { answeredAt, askedAt, at, lost, machine, outcome } = before
    const gaveUp = outcome === "none yet" && now.at - askedAt >= this.setup.timeout * 1_000
    if (lost || gaveUp || this.wasOvertaken(before)) return true
    // It has let go of the key since, and so of an outcome that the store did not take: what was refused is refused again.
    const { idle } = this.setup
    if (outcome === "refused" && idle !== undefined && now.at - at >= idle * 1_000) return true
    const isItself = machine === now.machine && !machine.dead
    // Who got the answer has it, whatever befell the store.
    if (isItself && answeredAt !== undefined) return false
    const from = at - this.setup.lease * 1_000
    const end = (answeredAt ?? now.at) + TO_SAVE
    // One that was set forward while the holder had its lease ended that early.
    const steps = this.world.storeSteps.some((step) => step.by > 0 && step.at >= from && step.at <= end)
    // Who did not ask during an outage cannot know of it: after a silence it waits no longer than for a rest.
    const unseen = this.world.outages.some(
      ({ from: start, how, to }) =>
        how === "silent" &&
        to >= from &&
        start <= end &&
        !now.machine.missed.some((missed) => missed >= start && missed <= to)
    )
    // What ended in good order had the time to save.
    const isTroubled = this.ends.has(machine) ? befallen(machine, from) : troubled(machine, from)
    if (answeredAt === undefined) return steps || unseen || isTroubled
    return steps || unseen || (isTroubled && !couldSave(machine, answeredAt, now.at))
  }

  /** Whether both clocks of the machine were wrong about how long it slept. */
  private isMisled(machine: Machine): boolean {
    const lately = this.world.now - 60_000
    return machine.frozenSince(lately) > 0 && machine.clockSteps.some(({ at, by }) => by < 0 && at >= lately)
  }

  /** Access tokens that a process was told are refused. */
  readonly rejected = new Set<string>()

  private wasOvertaken(presentation: Presentation): boolean {
    const { putAt, removedAt } = this.row(presentation.key)
    return Math.max(putAt, removedAt) >= presentation.at
  }

  private install(key: string, generation: number, payload: string): void {
    const row = this.row(key)
    const { now } = this.world
    const tokens = TokenSet.decode(payload)
    if (tokens._tag === "None") {
      this.fail("P12: the payload in the store is unreadable")
      return
    }
    const access = Redacted.value(tokens.value.accessToken)
    const refresh = tokens.value.refreshToken && Redacted.value(tokens.value.refreshToken)
    if (!access.startsWith(`access.${key}.`)) this.fail("P10: the tokens of another key were saved")
    const minted = this.minted.get(access)
    if (minted !== undefined && refresh !== minted.refresh.value) this.fail("P4: the refresh token was not kept")
    Object.assign(row, { exists: true, generation, access, refresh, lease: undefined, dead: false, changedAt: now })
    row.writtenAt = this.storeClock(now)
    row.installedAt = now
    this.cleared(row)
    this.installed.set(access, now)
  }

  private cleared(row: Row): void {
    row.failures = 0
    row.failedAt = Number.NEGATIVE_INFINITY
    row.dead = false
  }

  private fail(violation: string): void {
    this.world.fail(violation)
  }
}

/** What is known of a row by watching. */
export interface Row {
  exists: boolean
  generation: number
  access: string | undefined
  refresh: string | undefined
  lease: Lease | undefined
  failures: number
  failedAt: number
  retryAfter: number
  dead: boolean
  removedAt: number
  putAt: number
  /** When the server last refused the grant. */
  refusedAt: number
  changedAt: number
  /** When its tokens were written, by the store's clock. */
  writtenAt: number
  /** When that was, in true time. */
  installedAt: number
  grants: number
  throttledUntil: number
  /** The leases that their holders did not end. */
  ended: ReadonlyArray<Lease | undefined>
}

interface Lease {
  readonly owner: string
  /** By true time, and by the store's clock. */
  until: number
  storeUntil: number
  readonly machine: Machine
  readonly at: number
  readonly posts: Set<string>
  readonly grant: number
}

/** One refresh token on its way to the server. */
export interface Presentation {
  readonly machine: Machine
  readonly key: string
  /** When its source was asked for it, when it was sent, and when its answer arrived. */
  readonly askedAt: number
  readonly at: number
  answeredAt: number | undefined
  outcome: "none yet" | "granted" | "refused" | "no effect"
  /** Whether the network or the server lost the request or its answer. */
  lost: boolean
}

/** Whether anything befell the machine since `from` that explains an answer or a save that got lost. */
export const troubled = (machine: Machine, from: number): boolean => machine.dead || befallen(machine, from)

const befallen = (machine: Machine, from: number): boolean =>
  machine.freezes.some(({ to }) => to >= from) || machine.troubles.some(({ to }) => to >= from)

/** Whether the machine, once it had an answer, was well for as long as it needs to save it. */
const couldSave = (machine: Machine, from: number, to: number): boolean => {
  const end = Math.min(to, machine.diedAt)
  const spells = [...machine.troubles, ...machine.freezes].sort((a, b) => a.from - b.from)
  let since = from
  for (const spell of spells) {
    if (spell.to < since) continue
    if (Math.min(spell.from, end) - since >= TO_SAVE) return true
    since = Math.max(since, spell.to)
  }
  return end - since >= TO_SAVE
}

const accessOf = (payload: string): string | undefined => {
  const tokens = TokenSet.decode(payload)
  return tokens._tag === "None" ? undefined : Redacted.value(tokens.value.accessToken)
}

/** The longest that the policy of these processes waits between attempts, jitter aside. */
export const LONGEST_REST = 20_000

const CLOCK_ERROR = 12_000

/** A rest between two tries, and a statement that takes as long as one may. */
const TO_SAVE = 12_000
