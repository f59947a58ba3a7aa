import { type AccessToken, RefreshPolicy, type TokenError, TokenRejected } from "@evertoken/core"
import { Cause, Effect, Exit, FiberId, Option, Redacted, Schedule } from "effect"
import { Grants } from "../../src/testing/Grants.js"
import { contained, Dice, type Machine, World } from "../../src/testing/World.js"
import type { Happening, History } from "./History.js"
import { LONGEST_REST } from "./Ledger.js"
import { keyOf, Network, Process, tokensOf } from "./Process.js"

/** What came of a history. */
export interface Outcome {
  readonly violation: string | undefined
  readonly trace: ReadonlyArray<string>
  readonly posts: number
  readonly steps: number
  readonly alarms: number
  readonly answered: number
}

/** Plays a history from its first step until everything has healed, and says which promise it broke, if any. */
export const simulate = (history: History, traced = false): Outcome =>
  contained(() => new Simulation(history, traced).play())

class Simulation {
  private readonly world: World
  private readonly authority: Grants
  private readonly network: Network
  private readonly processes: ReadonlyArray<Process>
  private readonly seen = new WeakMap<Machine, Map<string, Seen>>()
  private readonly putAcked = new Map<string, number>()
  private answered = 0
  private calls = 0

  constructor(
    private readonly history: History,
    traced: boolean
  ) {
    const { setup } = history
    this.world = new World(new Dice(setup.seed), traced)
    this.authority = new Grants(
      () => this.world.now,
      {
        life: setup.life * 1_000,
        rotates: setup.rotates,
        window: setup.window * 1_000,
        alarmEndsAccess: setup.alarmEndsAccess
      },
      ({ id, key }, nth) => ({ access: `access.${key}.${id}.${nth}`, refresh: `refresh.${key}.${id}.${nth}` }),
      (presented) => this.world.log("server: reuse alarm,", presented)
    )
    this.network = new Network(this.world, this.authority, setup)
    const policy = RefreshPolicy.make({
      lease: `${setup.lease} seconds`,
      timeout: `${setup.timeout} seconds`,
      wait: `${setup.wait} seconds`,
      retry: Schedule.exponential("1 second").pipe(Schedule.union(Schedule.spaced(LONGEST_REST)), Schedule.jittered)
    })
    this.processes = setup.skews.map((_, index) => new Process(this.network, index, policy))
    this.network.processes.push(...this.processes)
  }

  play(): Outcome {
    const { setup, steps } = this.history
    const { world } = this
    world.run(0)
    if (!setup.login) for (let k = 0; k < setup.keys; k++) this.put(0, k)
    world.run(5_000)
    for (const { after, ...what } of steps) {
      world.run(world.now + Math.min(after, LONG * setup.life * 1_000))
      if (world.violation !== undefined) break
      world.log("-", JSON.stringify(what))
      this.happen(what)
    }
    if (world.violation === undefined) this.heal()
    return {
      violation: world.violation,
      trace: world.trace ?? [],
      posts: this.network.ledger.posts,
      steps: world.steps,
      alarms: this.authority.alarms,
      answered: this.answered
    }
  }

  private happen(what: Happening): void {
    const { setup } = this.history
    const { now } = this.world
    const k = "k" in what ? what.k % setup.keys : 0
    const p = "p" in what && what.p !== "all" ? what.p % this.processes.length : 0
    const process = this.processes[p]
    if (process === undefined) return
    switch (what.do) {
      case "get":
        this.get(p, k, what.patience)
        return
      case "refresh":
        this.call(p, k, "refresh", undefined)
        return
      case "use":
        this.use(p, k)
        return
      case "reject":
        this.reject(p, k)
        return
      case "put":
        this.put(p, k)
        return
      case "forget":
        this.forget(p, k)
        return
      case "crash":
        process.crash(what.down)
        return
      case "close":
        process.close(what.down)
        return
      case "trap":
        process.traps.push(what)
        return
      case "pause":
      case "sleep":
        process.machine.freeze(what.for, what.do === "sleep")
        return
      case "clock":
        process.machine.stepClock(what.by)
        return
      case "store clock":
        this.network.stepClock(what.by)
        return
      case "outage":
        this.network.outage = { how: what.how, until: now + what.for }
        this.world.outages.push({ how: what.how, from: now, to: now + what.for })
        return
      case "failover":
        this.failOver(what.lost)
        return
      case "flurry":
        this.flurry(p, k, what.calls)
        return
      case "policy":
        process.policyFault = { at: what.at, how: what.how, until: now + what.for }
        return
      case "store":
        for (const each of this.processes) {
          if (what.p === "all" || each === process) {
            each.storeFaults.push({ how: what.how, at: what.at, until: now + what.for })
          }
        }
        return
      case "server":
        this.network.serverFault = { how: what.how, until: now + what.for }
        return
      case "revoke":
        for (const family of this.authority.families) if (family.key === keyOf(k)) this.authority.revoke(family)
        return
      case "deaf":
        process.deafUntil = now + what.for
    }
  }

  /** Calls of all kinds within four seconds. */
  private flurry(p: number, k: number, calls: number): void {
    const { random } = this.world
    for (let call = 0; call < calls; call++) {
      const kind = FLURRY[random.int(FLURRY.length)]
      const at = random.int(this.processes.length + 1)
      const where = at < this.processes.length ? at : p
      const act = () => this.happen({ do: kind ?? "get", p: where, k, patience: undefined })
      this.world.after(random.int(4_000), act)
    }
  }

  /** The store loses its last commits; what was put or removed by them is not any more. */
  private failOver(lost: number): void {
    this.network.failOver(lost)
    for (let k = 0; k < this.history.setup.keys; k++) {
      const row = this.network.ledger.row(keyOf(k))
      if (row.putAt < (this.putAcked.get(keyOf(k)) ?? 0)) this.putAcked.delete(keyOf(k))
      for (const { machine } of this.processes) {
        const seen = this.seenBy(machine, k)
        if (row.removedAt < seen.removedAt) seen.loggedOutAt = Number.POSITIVE_INFINITY
        // What a process has let go of it does not know any more.
        if (this.history.setup.idle !== undefined) this.network.ledger.forgets(machine, keyOf(k))
        seen.newest = this.network.ledger.newest(machine, keyOf(k))
      }
    }
  }

  /** Once faults stop, every live grant is healthy within the bound; a login heals the others. */
  private heal(): void {
    const { login } = this.history.setup
    const { ledger } = this.network
    const { world } = this
    world.log("- faults stop")
    this.network.serverFault = undefined
    this.network.outage = undefined
    for (const process of this.processes) {
      process.storeFaults = []
      process.policyFault = undefined
      process.traps = []
      process.deafUntil = 0
      if (process.isUp && process.isClosing) process.machine.crash()
      if (!process.isUp) process.start(process.machine.skew)
    }
    world.run(world.now + HEALED)
    // Whoever waits after an outage counts from the first answer that it hears.
    for (const [p] of this.processes.entries())
      for (let k = 0; k < this.history.setup.keys; k++) this.get(p, k, undefined)
    world.run(world.now + GRACE)
    if (world.violation !== undefined) return
    for (const { at, key, machine, minted } of ledger.answers) {
      const row = ledger.row(key)
      if (machine.dead || ledger.installed.has(minted.access.value) || row.refresh !== minted.from?.value) continue
      // One that does not rotate is not lost where the store has newer tokens, which another process brought with it.
      if (!this.history.setup.rotates && row.installedAt >= at) continue
      if (row.removedAt >= at - 30_000 || at > world.now - 30_000 || world.failovers.some((lost) => lost >= at))
        continue
      world.fail(`P4: ${minted.refresh.value} arrived at ${machine.name} and was not saved`)
    }
    for (let k = 0; k < this.history.setup.keys; k++) {
      const row = ledger.row(keyOf(k))
      const refresh = row.refresh === undefined ? undefined : this.authority.refreshTokens.get(row.refresh)
      const live =
        login ||
        (refresh !== undefined &&
          !refresh.family.revoked &&
          (refresh.used === undefined || !this.history.setup.rotates))
      world.log(`- ${keyOf(k)} is ${live ? "live" : "not live"}`)
      this.everybody(k, live ? "P6: a live grant is not healthy again" : undefined)
    }
    if (world.violation !== undefined || this.history.setup.seed % 3 !== 0) return
    world.log("- all log in again")
    for (let k = 0; k < this.history.setup.keys; k++) this.put(k % this.processes.length, k)
    world.run(world.now + 10_000)
    for (let k = 0; k < this.history.setup.keys; k++) this.everybody(k, "P8: a new login does not heal")
    const { posts } = ledger
    const from = world.now
    const lives = this.history.setup.life * 1_000 * 1.2
    world.run(from + lives)
    if (world.violation !== undefined || this.history.setup.idle !== undefined) return
    for (let k = 0; k < this.history.setup.keys; k++) this.everybody(k, "P9: nothing was renewed ahead of time", 0)
    const most = this.history.setup.keys * Math.ceil((world.now - from) / (this.history.setup.life * 1_000 * 0.44) + 1)
    if (ledger.posts - posts > most) world.fail(`P9: ${ledger.posts - posts} renewals in little more than one life`)
  }

  /** Asks in every process; all have to get a token within `within`, if `otherwise` says what it means where they do not. */
  private everybody(k: number, otherwise: string | undefined, within = this.promptly()): void {
    const { world } = this
    const results = this.processes.map((_, p) => this.get(p, k, undefined))
    const began = world.now
    world.run(began + (within === 0 ? 0 : this.history.setup.wait * 1_000 + 5_000))
    for (const [p, result] of results.entries()) {
      const exit = result()
      const late = exit !== undefined && exit.at - began > within
      if (otherwise === undefined || (exit !== undefined && Exit.isSuccess(exit.exit) && !late)) continue
      if (exit !== undefined && this.history.setup.replay === "never" && isInDoubt(exit.exit)) continue
      const why = exit === undefined ? "no answer" : late ? `after ${exit.at - began} ms` : describe(exit.exit)
      world.fail(`${otherwise}: p${p} ${keyOf(k)}: ${why}`)
    }
  }

  /** Within what a request is answered that nothing disturbs. */
  private promptly(): number {
    const { keys, latency, limited, prepares } = this.history.setup
    return 2_000 + 10 * latency + prepares * (limited ? keys : 1)
  }

  private get(p: number, k: number, patience: number | undefined) {
    return this.call(p, k, "get", patience)
  }

  private call(p: number, k: number, what: "get" | "refresh", patience: number | undefined) {
    const { world } = this
    const process = this.processes[p]
    const asked = process?.ask(k, (provider) => provider[what])
    let result: { readonly at: number; readonly exit: Exit.Exit<AccessToken, TokenError> } | undefined
    if (process === undefined || asked === undefined) return () => result
    const { isClosing, machine } = process
    const started = world.now
    const seen = this.seenBy(machine, k)
    const { idle = Number.POSITIVE_INFINITY } = this.history.setup
    // What a process has let go of it does not know any more, so that it cannot tell that the store lost commits.
    // It counts from when a use began, which is some time before it came to its end.
    const hasLetGo = started >= seen.lastAt + idle * 1_000 - A_USE
    const { lastAt, newest } = seen
    const isKept = started < seen.rejectedAt + idle * 1_000
    const before: Before = { newest, lastAt, hasLetGo, rejected: isKept ? seen.rejected : undefined }
    const call = `${machine.name} ${what} #${this.calls++}`
    let given = false
    const fiber = machine.run(
      Effect.map(Effect.exit(asked), (exit) => {
        result = { at: world.now, exit }
        world.log(`${call}: ${describe(exit)}`)
        this.answered++
        if (Exit.isSuccess(exit)) this.handed(machine, k, exit.value, started, before, what)
        else this.refused(k, exit, started)
      })
    )
    if (isClosing) {
      world.after(1_000, () => {
        if (result !== undefined || machine.dead || machine.frozenSince(started) > 0) return
        world.fail(`P6: ${call} waits although the end began`)
      })
    }
    if (patience !== undefined) {
      world.after(patience, () => {
        if (result !== undefined || machine.dead) return
        given = true
        fiber.unsafeInterruptAsFork(FiberId.none)
        world.after(1_000, () => {
          if (fiber.unsafePoll() === null && !machine.dead && machine.frozenSince(started) === 0) {
            world.fail(`P6: ${call} does not let go of a caller that stopped waiting`)
          }
        })
      })
    }
    const check = (allowed: number): void => {
      world.after(allowed, () => {
        if (result !== undefined || given || machine.dead) return
        const back = machine.clockSteps.reduce((sum, { at, by }) => sum + (at >= started ? Math.max(0, -by) : 0), 0)
        const due = started + this.history.setup.wait * 1_000 + 1_500 + machine.frozenSince(started) + back
        if (world.now < due) return check(due - world.now)
        world.fail(`P6: ${call} is not answered within its bound`)
      })
    }
    check(this.history.setup.wait * 1_000 + 1_500)
    return () => result
  }

  private handed(machine: Machine, k: number, token: AccessToken, started: number, before: Before, what: string): void {
    const { authority, world } = this
    const { ledger } = this.network
    const seen = this.seenBy(machine, k)
    const value = Redacted.value(token.value)
    const access = authority.accessTokens.get(value)
    if (access === undefined || access.family.key !== keyOf(k))
      return void world.fail(`P10: ${value} is not of ${keyOf(k)}`)
    const late = world.now - access.expiresAt
    const error = this.clockError(machine) + world.storeSetBack(access.mintedAt)
    if (late >= 0 && late >= error) world.fail(`P9: handed out ${value}, ended ${late} ms ago`)
    // After a logout that a stale replica does not know of, whoever was handed nothing since cannot know how far the row had come.
    const removedAt = ledger.removals.get(keyOf(k)) ?? Number.POSITIVE_INFINITY
    const isUnknown = before.hasLetGo
      ? world.failovers.length > 0
      : before.lastAt <= removedAt && world.failovers.some((lost) => lost >= removedAt)
    if (token.generation < before.newest && !isUnknown) {
      world.fail(`P2: handed out generation ${token.generation} after ${before.newest}`)
    }
    if (what === "get" && token.generation === before.rejected) world.fail(`P7: handed out the rejected ${value}`)
    if (ledger.installed.get(value) === undefined && (ledger.denied.get(value) ?? world.now) < started - SETTLED) {
      world.fail(`P10: handed out ${value}, which the store had denied`)
    }
    if (started >= seen.loggedOutAt && (ledger.installed.get(value) ?? access.mintedAt) < seen.removedAt) {
      world.fail(`P10: handed out ${value} after the logout`)
    }
    seen.newest = isUnknown ? token.generation : Math.max(seen.newest, token.generation)
    seen.last = token
    seen.lastAt = world.now
    if (ledger.row(keyOf(k)).exists) ledger.keeps(machine, keyOf(k), token.generation)
  }

  private refused(k: number, exit: Exit.Exit<AccessToken, TokenError>, started: number): void {
    if (Exit.isSuccess(exit)) return
    const { ledger } = this.network
    const { world } = this
    const error = Cause.failureOption(exit.cause)
    if (Option.isNone(error)) {
      if (!Cause.isInterruptedOnly(exit.cause)) world.fail(`a defect: ${describe(exit)}`)
      return
    }
    const row = ledger.row(keyOf(k))
    if (error.value._tag === "ReauthorizationRequired") {
      const { reason } = error.value
      const put = this.putAcked.get(keyOf(k)) ?? Number.NEGATIVE_INFINITY
      if (reason === "refused" && row.refusedAt === Number.NEGATIVE_INFINITY)
        world.fail("P3: called dead, never refused")
      if (reason === "refused" && row.refusedAt < put && put + 2_000 < started)
        world.fail("P8: called dead after a new login")
      if (reason === "absent" && row.access !== undefined && row.changedAt < started - 2_000) {
        world.fail("P3: called absent while tokens are there")
      }
    }
    if (error.value._tag === "RefreshInDoubt" && this.history.setup.replay !== "never")
      world.fail("P3: in doubt, but a replay is allowed")
  }

  private use(p: number, k: number): void {
    const process = this.processes[p]
    if (process === undefined) return
    const { machine } = process
    const used = new Set<string>()
    const call = (token: AccessToken) =>
      Effect.suspend(() => {
        const value = Redacted.value(token.value)
        this.world.log(`${machine.name} uses ${value}`)
        if (used.has(value)) this.world.fail(`P7: ${value} was sent again after it was refused`)
        used.add(value)
        if (used.size > 2) this.world.fail("P7: a call was made more than twice")
        if (this.authority.accepts(value)) return Effect.void
        this.network.ledger.rejected.add(value)
        return Effect.fail(new TokenRejected())
      })
    const effect = process.ask(k, (provider) => provider.use(call))
    if (effect !== undefined) machine.run(Effect.exit(effect))
  }

  /** Somebody says that the last token it got was refused; often it was not, or long ago. */
  private reject(p: number, k: number): void {
    const process = this.processes[p]
    if (process === undefined) return
    const { machine } = process
    const seen = this.seenBy(machine, k)
    const { last } = seen
    if (last === undefined) return
    const rejecting = process.ask(k, (provider) => provider.reject(last))
    if (rejecting === undefined) return
    this.network.ledger.rejected.add(Redacted.value(last.value))
    machine.run(
      Effect.map(rejecting, () => {
        // More than a few are taken for a matter of permission.
        // Nor does one count that knows nothing of the token any more.
        const isKept = this.world.now < seen.lastAt + (this.history.setup.idle ?? Number.POSITIVE_INFINITY) * 1_000
        if (isKept && seen.rejections++ < 4 && last.generation === seen.newest) seen.rejected = last.generation
        seen.rejectedAt = this.world.now
      })
    )
  }

  private put(p: number, k: number): void {
    const process = this.processes[p]
    if (process?.isUp !== true) return
    const { machine } = process
    const minted = this.authority.login(keyOf(k))
    this.network.ledger.minted.set(minted.access.value, minted)
    const tokens = tokensOf(minted, this.world.now)
    const putting = process.ask(k, (provider) => provider.put(tokens))
    if (putting === undefined) return
    this.within(`${machine.name} put`, machine, 220_000, () =>
      Effect.map(Effect.exit(putting), (exit) => {
        this.world.log(`${machine.name} put ${keyOf(k)}: ${describe(exit)}`)
        if (Exit.isFailure(exit)) return
        this.putAcked.set(keyOf(k), this.world.now)
        const seen = this.seenBy(machine, k)
        seen.newest = Math.max(seen.newest, exit.value.generation)
      })
    )
  }

  private forget(p: number, k: number): void {
    const process = this.processes[p]
    const forgetting = process?.ask(k, (provider) => provider.forget)
    if (process === undefined || forgetting === undefined) return
    const { machine } = process
    const seen = this.seenBy(machine, k)
    this.within(`${machine.name} forget`, machine, 45_000, () =>
      Effect.map(Effect.exit(forgetting), (exit) => {
        this.world.log(`${machine.name} forget ${keyOf(k)}: ${describe(exit)}`)
        if (Exit.isFailure(exit)) return
        seen.loggedOutAt = this.world.now
        seen.removedAt = this.network.ledger.row(keyOf(k)).removedAt
      })
    )
  }

  private within(call: string, machine: Machine, bound: number, effect: () => Effect.Effect<void>): void {
    const started = this.world.now
    const fiber = machine.run(effect())
    const check = (allowed: number): void =>
      this.world.after(allowed, () => {
        if (fiber.unsafePoll() !== null || machine.dead) return
        const due = started + bound + machine.frozenSince(started)
        if (this.world.now < due) return check(due - this.world.now)
        this.world.fail(`P6: ${call} is not answered within its bound`)
      })
    check(bound)
  }

  /** By how much a step of the process's clock may mislead it, until it looks at it again. */
  private clockError(machine: Machine): number {
    const since = this.world.now - 60_000 - machine.frozenSince(this.world.now - 60_000)
    return machine.clockSteps.reduce((sum, { at, by }) => sum + (at >= since ? Math.max(0, -by) : 0), 0)
  }

  private seenBy(machine: Machine, k: number): Seen {
    const byKey = this.seen.get(machine) ?? new Map<string, Seen>()
    this.seen.set(machine, byKey)
    const known = byKey.get(keyOf(k))
    if (known !== undefined) return known
    const fresh: Seen = {
      newest: -1,
      last: undefined,
      rejected: undefined,
      lastAt: Number.NEGATIVE_INFINITY,
      rejectedAt: Number.NEGATIVE_INFINITY,
      rejections: 0,
      loggedOutAt: Number.POSITIVE_INFINITY,
      removedAt: Number.NEGATIVE_INFINITY
    }
    byKey.set(keyOf(k), fresh)
    return fresh
  }
}

/** What the callers of one process have seen of a key. */
interface Seen {
  newest: number
  last: AccessToken | undefined
  rejected: number | undefined
  lastAt: number
  rejectedAt: number
  rejections: number
  loggedOutAt: number
  removedAt: number
}

/** What they had seen of it when a call began. */
type Before = Pick<Seen, "newest" | "lastAt" | "rejected"> & { readonly hasLetGo: boolean }

const isInDoubt = (exit: Exit.Exit<unknown, TokenError>): boolean =>
  Exit.isFailure(exit) && Option.exists(Cause.failureOption(exit.cause), ({ _tag }) => _tag === "RefreshInDoubt")

const describe = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
  const { value } = exit
  return value !== null && typeof value === "object" && "generation" in value
    ? `generation ${value.generation}`
    : "done"
}

const FLURRY = ["get", "use", "refresh", "reject", "put", "forget"] as const

/** Within this a process has heard that its commit was denied, and asked once more. */
const SETTLED = 30_000

/** The longest back-off, a lease, and the time to notice. */
const A_USE = 2_000
const HEALED = 80_000
const GRACE = 20_000

/** How many lives of a token a step waits at most. */
const LONG = 1.5
