import { type Committed, type Failed, type LeaseRequest, type PutRow, type Snapshot, TokenSet } from "@evertoken/core"
import { Redacted } from "effect"
import type { AuthorityModel, Minted } from "./AuthorityModel.js"
import type { Setup } from "./History.js"
import type { Machine, World } from "./World.js"

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
    private readonly authority: AuthorityModel,
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
      grants: 0,
      throttledUntil: 0
    }
    this.rows.set(key, row)
    return row
  }

  put(key: string, { generation, payload }: PutRow): void {
    const row = this.row(key)
    if (row.exists && generation <= row.generation) this.fail(`a put went back to generation ${generation}`)
    this.install(key, generation, payload)
    row.putAt = this.world.now
  }

  remove(key: string): void {
    const row = this.row(key)
    Object.assign(row, { exists: false, access: undefined, refresh: undefined, lease: undefined })
    row.removedAt = row.changedAt = this.world.now
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
    const held = lease !== undefined && lease.owner !== request.owner && lease.until > now
    if (held) this.fail("P5: the lease was given while another holds it")
    const unchanged = request.known === undefined ? row.access === undefined : row.generation === request.known
    if (!unchanged && lease?.owner !== request.owner)
      this.fail("P1: the lease was given although newer tokens are there")
    row.lease = {
      owner: request.owner,
      until: now + request.lasts,
      machine,
      at: now,
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
  post(machine: Machine, key: string, by: "refresh" | "login", presented: string): Presentation {
    const row = this.row(key)
    const { now } = this.world
    this.posts++
    const presentation: Presentation = {
      machine,
      key,
      at: now,
      grant: row.lease?.grant,
      outcome: "none yet",
      lost: false
    }
    const frozen = machine.frozenSince(now - 60_000) > 0
    const { lease } = row
    const overtaken = lease === undefined || lease.machine !== machine || lease.until <= now
    if (overtaken && !frozen && !this.wasTakenAway(key)) this.fail(`P1: a ${by} without the lease`)
    if (!overtaken) {
      if (by === "refresh" && row.dead) this.fail(`P1: ${presented} was presented after it was noted to be refused`)
      if (lease.posts.has(by)) this.fail(`P1: a second ${by} under one lease`)
      lease.posts.add(by)
      const rest = 0.79 * Math.min(1_000 * 2 ** (row.failures - 1), LONGEST_REST)
      const backOff = row.failures === 0 ? 0 : Math.max(rest, row.retryAfter)
      if (lease.at < row.failedAt + backOff - 1 && by === "refresh" && !row.dead) {
        this.fail(`P8: a ${by} ${lease.at - row.failedAt} ms after failure ${row.failures}, inside the back-off`)
      }
    }
    if (by === "refresh") {
      if (!overtaken && row.refresh !== presented) this.fail("P1: a refresh token that is not the row's was presented")
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
    const earlier = this.presentations.get(token) ?? []
    for (const before of earlier) {
      if (before.outcome === "no effect") continue
      const gaveUp = before.outcome === "none yet" && now.at - before.at >= this.setup.timeout * 1_000
      const excused = before.lost || gaveUp || troubled(before.machine, before.at - 12_000) || this.wasOvertaken(before)
      if (!excused) {
        this.fail(
          `P1: ${token} was presented twice: ${before.outcome} by ${before.machine.name} at ${before.at / 1000}`
        )
        continue
      }
      if (before.outcome === "refused") continue
      const first = earlier[0] ?? before
      const inWindow = now.at <= first.at + this.setup.window * 1_000
      const access = this.authority.refreshTokens.get(token)?.access
      const forward = now.machine.clockSteps.reduce((total, { by }) => total + Math.abs(by), 0)
      const ended =
        access === undefined ||
        access.revoked ||
        this.rejected.has(access.value) ||
        access.expiresAt <= now.at + forward + CLOCK_ERROR
      if (inWindow || (this.setup.replay === "once" && ended)) continue
      this.fail(
        this.setup.replay === "never"
          ? `P1: ${token} was presented again although its source forbids it`
          : `P1: ${token} was presented again while the old access token holds`
      )
    }
    this.presentations.set(token, [...earlier, now])
  }

  /** Access tokens that a process was told are refused. */
  readonly rejected = new Set<string>()

  private wasOvertaken(presentation: Presentation): boolean {
    const { putAt, removedAt } = this.row(presentation.key)
    return Math.max(putAt, removedAt) >= presentation.at
  }

  /** Whether a login or logout ended leases lately. */
  private wasTakenAway(key: string): boolean {
    const { putAt, removedAt } = this.row(key)
    return Math.max(putAt, removedAt) > this.world.now - 30_000
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
  grants: number
  throttledUntil: number
}

interface Lease {
  readonly owner: string
  until: number
  readonly machine: Machine
  readonly at: number
  readonly posts: Set<string>
  readonly grant: number
}

/** One refresh token on its way to the server. */
export interface Presentation {
  readonly machine: Machine
  readonly key: string
  readonly at: number
  readonly grant: number | undefined
  outcome: "none yet" | "granted" | "refused" | "no effect"
  /** Whether the network or the server lost the request or its answer. */
  lost: boolean
}

/** Whether anything befell the machine since `from` that explains an answer or a save that got lost. */
export const troubled = (machine: Machine, from: number): boolean =>
  machine.dead || machine.freezes.some(({ to }) => to >= from) || machine.troubles.some(({ to }) => to >= from)

const accessOf = (payload: string): string | undefined => {
  const tokens = TokenSet.decode(payload)
  return tokens._tag === "None" ? undefined : Redacted.value(tokens.value.accessToken)
}

/** The longest that the policy of these processes waits between attempts, jitter aside. */
export const LONGEST_REST = 20_000

const CLOCK_ERROR = 12_000
