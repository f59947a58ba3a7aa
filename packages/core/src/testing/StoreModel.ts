import type { Committed, Failed, LeaseRequest, PutRow, Snapshot } from "../store/TokenStoreBackend.js"

/**
 * What one store has to have under its keys after each statement, kept beside it: it says where the store answers
 * otherwise. Statements come one after the other, at instants by the clock that the store goes by.
 */
export class StoreModel {
  private readonly rows = new Map<string, Row>()
  private readonly highest = new Map<string, number>()

  constructor(private readonly fail: (broken: string) => void) {}

  load(key: string, snapshot: Snapshot, now: number): void {
    this.compare("load", key, snapshot, now)
  }

  put(key: string, { expected, generation, payload }: PutRow, done: boolean): void {
    const row = this.rows.get(key)
    const wanted = row?.generation === expected
    if (done !== wanted)
      return void this.fail(done ? "P2: put over tokens that were not known" : "put refused what it may")
    if (done) this.install(key, generation, payload)
  }

  lease(key: string, request: LeaseRequest, now: number, snapshot: Snapshot): void {
    const { force, known, lasts, owner, presents } = request
    const { row: is } = snapshot
    if (known === undefined && is !== undefined && !this.rows.has(key)) this.install(key, is.generation, undefined)
    const row = this.rows.get(key)
    if (row === undefined) return void this.compare("lease", key, snapshot, now)
    const isItsOwn = row.lease?.owner === owner
    const isUnchanged = known === undefined ? row.payload === undefined : row.generation === known
    const isAllowed = force || (!row.dead && (row.intent === undefined || row.intent === owner))
    const isHeld = (at: number) => row.lease !== undefined && !isItsOwn && row.lease.until > at
    const isIts = is?.leaseOwner === owner
    if (isIts && !isItsOwn) {
      if (isHeld(now + SLACK)) return void this.fail("P5: the lease was given while another holds it")
      if (!isUnchanged) return void this.fail("P1: the lease was given although newer tokens are there")
      if (!isAllowed) return void this.fail("P1: the lease of a dead row, or of one in doubt, was given unasked")
    }
    const hasWaited = row.retryAt <= now - SLACK
    if (!isIts && !isHeld(now - SLACK) && isUnchanged && isAllowed && hasWaited) {
      return void this.fail("P6: nobody has the lease, and it was not given")
    }
    if (isIts && isUnchanged && isAllowed && row.retryAt <= now + SLACK) {
      row.lease = { owner, until: now + lasts }
      if (presents) row.intent ??= owner
    }
    this.compare("lease", key, snapshot, now)
  }

  renew(key: string, owner: string, lasts: number, now: number, done: boolean): void {
    const row = this.rows.get(key)
    if (done !== (row?.lease?.owner === owner))
      return void this.fail(`P5: renew answered ${done} to who has no such right`)
    if (done && row !== undefined) row.lease = { owner, until: now + lasts }
  }

  commit(key: string, { generation, owner, tokens }: Committed<string>, done: boolean): void {
    const row = this.rows.get(key)
    const wanted = row?.lease?.owner === owner && row.generation === generation
    if (done && row === undefined) return void this.fail("P10: a commit brought back a row that was removed")
    if (done && !wanted) return void this.fail("P5: a commit without the lease, or over another generation")
    if (!done && wanted) return void this.fail("P4: a commit of the lease's owner was refused")
    if (done) this.install(key, generation + 1, tokens)
  }

  failed(key: string, { dead, generation, inDoubt, owner, retryIn }: Failed<string>, now: number, done: boolean): void {
    const row = this.rows.get(key)
    const wanted = row?.lease?.owner === owner && row.generation === generation
    if (done !== wanted)
      return void this.fail(`P2: fail answered ${done} to who ${wanted ? "has" : "has not"} the lease`)
    if (!done || row === undefined) return
    if (row.intent === owner && !inDoubt) row.intent = undefined
    Object.assign(row, { lease: undefined, dead, retryAt: now + retryIn })
  }

  remove(key: string): void {
    this.rows.delete(key)
  }

  private install(key: string, generation: number, payload: string | undefined): void {
    const before = this.highest.get(key) ?? -1
    if (generation <= before) this.fail(`P4: generation ${generation} came after ${before}`)
    this.highest.set(key, generation)
    this.rows.set(key, { generation, payload, lease: undefined, intent: undefined, dead: false, retryAt: 0 })
  }

  private compare(what: string, key: string, { now: then, row: is }: Snapshot, now: number): void {
    const row = this.rows.get(key)
    const told = (part: string) => this.fail(`${what} told another ${part} than what was written`)
    if ((is === undefined) !== (row === undefined)) return void told("row, or none,")
    if (is === undefined || row === undefined) return
    if (is.generation !== row.generation) return void told("generation")
    if (is.payload !== row.payload) return void told("payload")
    if (is.intentOwner !== row.intent) return void told("intent")
    if (is.dead !== row.dead) return void told("mark of a dead grant")
    if (row.lease === undefined) return
    if (is.leaseOwner !== row.lease.owner) return void told("owner of the lease")
    const [left, wanted] = [(is.leaseUntil ?? 0) - then, row.lease.until - now]
    if (Math.abs(left - wanted) > SLACK) told("end of the lease")
  }
}

interface Row {
  readonly generation: number
  readonly payload: string | undefined
  lease: { readonly owner: string; readonly until: number } | undefined
  intent: string | undefined
  dead: boolean
  retryAt: number
}

/** A store with a clock of its own need not agree with ours by less. */
const SLACK = 1_000
