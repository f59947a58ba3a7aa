import {
  ClientRejected,
  GrantRejected,
  type ProviderClosed,
  type RefreshPolicy,
  type SourceError,
  SourceLimits,
  TokenEndpointError,
  type TokenProvider,
  TokenProviders,
  TokenSet,
  TokenSource,
  TokenStore,
  TokenStoreError
} from "@evertoken/core"
import type { TokenCipher } from "@evertoken/core/encryption"
import type { StoredRow, TokenChange, TokenStoreBackend } from "@evertoken/core/store"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Duration, Effect, Exit, Queue, Redacted, Schedule, Scope, Stream } from "effect"
import type { Grants, Minted } from "../../src/testing/Grants.js"
import { EPOCH, Machine, type World } from "../../src/testing/World.js"
import type { Defect, Operation, Phase, Sealing, ServerFault, Setup, StoreFault, StoreOperation } from "./History.js"
import { Ledger, type Row } from "./Ledger.js"

/** What the processes share: one store, one authorization server, and a network that does them harm. */
export class Network {
  readonly ledger: Ledger
  readonly processes: Array<Process> = []
  serverFault: { readonly how: ServerFault; readonly until: number } | undefined
  outage: { readonly how: "refuses" | "silent"; readonly until: number } | undefined
  storeSkew: number
  private backend: TokenStoreBackend
  /** What was written, so that a replica can be made that lacks the last of it. */
  private readonly written: Array<{ readonly wall: number; readonly write: Does<unknown> }> = []
  private readonly commits: Array<{ readonly written: number; readonly rows: ReadonlyMap<string, Row> }> = []

  constructor(
    readonly world: World,
    readonly authority: Grants,
    readonly setup: Setup
  ) {
    this.ledger = new Ledger(world, authority, setup)
    this.backend = Effect.runSync(MemoryTokenStore.backend())
    this.storeSkew = setup.storeSkew
  }

  /** Moves the clock of the store. */
  stepClock(by: number): void {
    this.storeSkew += by
    this.world.storeSteps.push({ at: this.world.now, by })
  }

  /** A replica takes over that lacks the last `lost` commits, and all that was written since the first of them. */
  failOver(lost: number): void {
    const point = this.commits.splice(-lost)[0]
    if (point === undefined) return
    this.backend = Effect.runSync(MemoryTokenStore.backend())
    this.written.length = point.written
    for (const { wall, write } of this.written) this.does(write, wall)
    this.world.failovers.push(this.world.now)
    this.ledger.rewind(point.rows)
  }

  private does<A>(operation: Does<A>, wall = Math.floor(EPOCH + this.world.now + this.storeSkew)): A {
    const clock = { ...Clock.make(), unsafeCurrentTimeMillis: () => wall, currentTimeMillis: Effect.succeed(wall) }
    return Effect.runSync(Effect.withClock(operation(this.backend), clock))
  }

  latency(): number {
    return this.world.random.int(this.setup.latency)
  }

  /** The store as `process` sees it. */
  storeOf(process: Process, machine: Machine): TokenStore["Type"] {
    const { ledger } = this
    const hints = Effect.runSync(Queue.unbounded<TokenChange>())
    process.hints = hints
    const ask = <A>(op: StoreOperation, key: string, operation: Does<A>, note: (answer: A) => void) =>
      this.ask(process, machine, op, key, operation, note)
    const backend: TokenStoreBackend = {
      due: this.backend.due,
      load: (key) =>
        ask(
          "load",
          key,
          (store) => store.load(key),
          () => undefined
        ),
      put: (key, row) =>
        ask(
          "put",
          key,
          (store) => store.put(key, row),
          (done) => {
            if (done) ledger.put(key, row)
            if (done) this.tell(key, row.generation)
          }
        ),
      lease: (key, request) =>
        ask(
          "lease",
          key,
          (store) => store.lease(key, request),
          (snapshot) => ledger.lease(machine, key, request, snapshot)
        ),
      renew: (key, owner, lasts) =>
        ask(
          "renew",
          key,
          (store) => store.renew(key, owner, lasts),
          (done) => {
            if (done) ledger.renew(key, owner, lasts)
          }
        ),
      commit: (key, result) =>
        ask(
          "commit",
          key,
          (store) => store.commit(key, result),
          (done) => {
            if (done) ledger.commit(key, result)
            else ledger.deny(result.tokens)
            if (done) this.tell(key, result.generation + 1)
          }
        ),
      fail: (key, result) =>
        ask(
          "fail",
          key,
          (store) => store.fail(key, result),
          (done) => {
            if (done) ledger.failed(key, result)
            if (done) this.tell(key, result.generation)
          }
        ),
      remove: (key) =>
        ask(
          "remove",
          key,
          (store) => store.remove(key),
          (done) => {
            if (done) ledger.remove(key)
            if (done) this.tell(key, 0)
          }
        ),
      changes: Stream.fromQueue(hints)
    }
    const seals = (at: Sealing, text: string) =>
      Effect.suspend(() => {
        const how = process.storeFault(at)
        if (how !== undefined) machine.troubles.push({ from: this.world.now, to: this.world.now + STATEMENT })
        const does = Effect.succeed(text)
        if (isDefect(how)) return broken(how, does)
        if (how === "slow") return Effect.delay(does, this.world.random.int(9_000))
        return how === undefined ? does : how === "silent" || how === "late" ? Effect.never : NO_CIPHER
      })
    const cipher: TokenCipher["Type"] = {
      current: Effect.succeed("none"),
      seal: (payload) => seals("seal", payload),
      open: (sealed) => seals("open", sealed)
    }
    const store = TokenStore.make(backend, { cipher })
    /** A store of one's own, which is not made of a backend, may throw as it is called. */
    const throwing = <A>(op: StoreOperation, call: () => A): A => {
      if (process.storeFault(op) !== "throws") return call()
      machine.troubles.push({ from: this.world.now, to: this.world.now + STATEMENT })
      throw new Error("it throws")
    }
    return {
      ...store,
      load: (key) => throwing("load", () => store.load(key)),
      put: (key, tokens, dueIn) => throwing("put", () => store.put(key, tokens, dueIn)),
      restore: (key, request) => throwing("put", () => store.restore(key, request)),
      lease: (key, request) => throwing("lease", () => store.lease(key, request)),
      renew: (key, owner, lasts) => throwing("renew", () => store.renew(key, owner, lasts)),
      commit: (key, result) => throwing("commit", () => store.commit(key, result)),
      fail: (key, result) => throwing("fail", () => store.fail(key, result)),
      remove: (key) => throwing("remove", () => store.remove(key))
    }
  }

  /** Hints to every process; some come late, and to the deaf none. */
  private tell(key: string, generation: number): void {
    for (const { deafUntil, hints } of this.processes) {
      if (this.world.now < deafUntil) continue
      this.world.after(this.latency(), () => hints?.unsafeOffer({ key, generation }))
    }
  }

  private ask<A>(
    process: Process,
    machine: Machine,
    op: StoreOperation,
    key: string,
    operation: Does<A>,
    note: (answer: A) => void
  ): Effect.Effect<A, unknown> {
    const { world } = this
    const { random } = world
    return Effect.async<A, Error>((resume) => {
      if (this.ledger.isClosed(machine)) world.fail(`P6: ${machine.name} asks the store for a ${op} after its end`)
      if (process.springs(machine, op, "before")) return
      const out = this.outage !== undefined && world.now < this.outage.until ? this.outage.how : undefined
      const how = out ?? process.storeFault(op)
      const slow = how === "slow"
      const there = how === "late" ? 9_000 + random.int(8_000) : slow ? random.int(9_000) : this.latency()
      const back = slow ? random.int(4_000) : this.latency()
      if (out !== undefined) machine.missed.push(world.now)
      else if ((how !== undefined && !slow) || there + back >= STATEMENT) {
        machine.troubles.push({ from: this.world.now, to: this.world.now + Math.max(STATEMENT, there) })
      }
      const say = (answer: Effect.Effect<A, Error>) =>
        world.after(back, () => {
          if (!machine.dead) resume(answer)
        })
      world.after(there, () => {
        if (how === "refuses") return say(Effect.fail(new Error("refused")))
        if (how === "silent") return
        const rows = op === "commit" || op === "put" ? this.ledger.copy() : undefined
        const answer = this.does(operation)
        if (rows !== undefined && answer === true) this.commits.push({ written: this.written.length, rows })
        if (op !== "load") {
          this.written.push({ wall: Math.floor(EPOCH + world.now + this.storeSkew), write: operation })
        }
        if (this.world.trace !== undefined) {
          this.world.log(`${machine.name} ${op} ${key}${how === undefined ? "" : ` (${how})`}:`, brief(answer))
        }
        note(answer)
        if (how === "lies") return say(Effect.fail(new Error("connection lost")))
        if (how === "late") return
        say(isDefect(how) ? broken(how, Effect.succeed(answer)) : Effect.succeed(answer))
      })
      process.springs(machine, op, "sent")
    })
  }

  /** The token endpoint as `process` sees it. */
  sourceOf(process: Process, machine: Machine, key: string, limits: SourceLimits | undefined) {
    const { login, prepares, replay, window } = this.setup
    const asks = (by: "refresh" | "login", presented: string) =>
      Effect.suspend(() => {
        if (this.faultOfServer() === "throws") throw new Error("it throws")
        const post = this.post(process, machine, key, by, presented, this.world.now)
        return prepares === 0 ? post : Effect.zipRight(Effect.sleep(prepares), Effect.zipRight(TokenSource.fence, post))
      })
    return TokenSource.make({
      limits,
      fenced: prepares > 0,
      login: login ? asks("login", "") : undefined,
      refresh: (current) =>
        asks("refresh", current.refreshToken === undefined ? "" : Redacted.value(current.refreshToken)),
      revoke: (tokens) =>
        Effect.sync(() => {
          const refresh = tokens.refreshToken && this.authority.refreshTokens.get(Redacted.value(tokens.refreshToken))
          if (refresh) this.authority.revoke(refresh.family)
        }),
      replay,
      replayWindow: `${window} seconds`
    })
  }

  private post(
    process: Process,
    machine: Machine,
    key: string,
    by: "refresh" | "login",
    presented: string,
    askedAt: number
  ): Effect.Effect<TokenSet, SourceError> {
    const { authority, ledger, world } = this
    return Effect.async((resume) => {
      if (ledger.isClosed(machine)) world.fail(`P6: ${machine.name} sends a ${by} after its end`)
      if (process.springs(machine, "post", "before")) return
      const presentation = ledger.post(machine, key, by, presented, askedAt)
      const how = this.faultOfServer()
      world.log(`${machine.name} POST ${by} ${presented}${how === undefined ? "" : ` (${how})`}`)
      const back = how === "slow" ? world.random.int(20_000) : this.latency()
      const say = (outcome: typeof presentation.outcome, answer: Effect.Effect<TokenSet, SourceError>) =>
        world.after(back, () => {
          if (world.now - askedAt >= this.setup.timeout * 1_000) presentation.lost = true
          if (machine.dead) return
          if (!presentation.lost) {
            presentation.outcome = outcome
            presentation.answeredAt = world.now
          }
          resume(answer)
        })
      const passing = (reason: TokenEndpointError["reason"], retryAfter?: number) =>
        Effect.fail(new TokenEndpointError({ reason, retryAfter }))
      world.after(this.latency(), () => {
        if (how === "unavailable") return say("no effect", passing("unavailable"))
        if (how === "throttled") {
          const retryAfter = 1_000 * (1 + world.random.int(60))
          const row = ledger.row(key)
          row.throttledUntil = world.now + retryAfter
          return say("no effect", passing("throttled", retryAfter))
        }
        if (how === "unreachable") return say("no effect", passing("unreachable"))
        if (how === "rejects the client")
          return say("no effect", Effect.fail(new ClientRejected({ code: "invalid_client" })))
        presentation.lost = how !== undefined && LOSES.has(how)
        if (how === "loses requests") return
        const minted = by === "login" ? authority.login(key) : authority.refresh(key, presented)
        if (minted === "invalid_grant") {
          ledger.row(key).refusedAt = world.now
          if (how === "loses answers") return
          return say("refused", Effect.fail(new GrantRejected({ code: "invalid_grant" })))
        }
        ledger.minted.set(minted.access.value, minted)
        ledger.answered(minted)
        if (how === "loses answers") return
        if (how === "disconnects") return say("none yet", passing("disconnected"))
        if (how === "garbles") return say("none yet", passing("unreadable"))
        if (how === "gives nothing") return say("none yet", Effect.succeed(JSON.parse("{}").nothing))
        if (isDefect(how)) return say("none yet", broken(how, Effect.succeed(tokensOf(minted, world.now))))
        say("granted", Effect.succeed(tokensOf(minted, world.now)))
        if (!presentation.lost)
          world.after(back, () => {
            if (!machine.dead && !presentation.lost) ledger.answers.push({ minted, machine, key, at: presentation.at })
          })
      })
      process.springs(machine, "post", "sent")
    })
  }

  private faultOfServer(): ServerFault | undefined {
    return this.serverFault !== undefined && this.world.now < this.serverFault.until ? this.serverFault.how : undefined
  }
}

/** What the store is asked to do. */
type Does<A> = (store: TokenStoreBackend) => Effect.Effect<A, unknown>

/** Those after which nobody knows what became of the request. */
const LOSES: ReadonlySet<ServerFault> = new Set<ServerFault>([
  ...(["loses requests", "loses answers", "disconnects", "garbles"] as const),
  ...(["gives nothing", "dies", "is interrupted"] as const)
])

const isDefect = (how: StoreFault | ServerFault | undefined): how is Defect =>
  how === "throws" || how === "dies" || how === "is interrupted"

const broken = <A>(how: Defect, does: Effect.Effect<A>): Effect.Effect<A> =>
  how === "throws"
    ? Effect.sync(() => {
        throw new Error("it throws")
      })
    : Effect.zipRight(does, how === "dies" ? Effect.die(new Error("it dies")) : Effect.interrupt)

const NO_CIPHER = Effect.fail(new TokenStoreError({ reason: "unreachable", detail: "the key service failed" }))

/** A place where a process runs, dies, and runs again. */
export class Process {
  machine: Machine
  /** A handle of each key that was taken at the start. */
  providers: Array<TokenProvider["Type"]> = []
  private pool: TokenProviders["Type"] | undefined
  private scope: Scope.CloseableScope | undefined
  /** Whether its end began. */
  isClosing = false
  hints: Queue.Queue<TokenChange> | undefined
  deafUntil = 0
  storeFaults: Array<{
    readonly how: StoreFault
    readonly at: StoreOperation | Sealing | "any"
    readonly until: number
  }> = []
  policyFault: { readonly at: "ahead" | "retry"; readonly how: Defect; readonly until: number } | undefined
  traps: Array<{ readonly at: Operation; readonly phase: Phase; readonly down: number }> = []
  private lives = 0

  constructor(
    readonly network: Network,
    readonly index: number,
    private readonly policy: RefreshPolicy
  ) {
    this.machine = this.start(network.setup.skews[index] ?? 0)
  }

  get isUp(): boolean {
    return !this.machine.dead
  }

  start(skew: number): Machine {
    const { network } = this
    const name = `p${this.index}${this.lives === 0 ? "" : `'${this.lives}`}`
    const machine = new Machine(network.world, name, skew, `${network.setup.seed}/${this.index}/${this.lives++}`)
    this.machine = machine
    const store = network.storeOf(this, machine)
    const { idle, limited } = network.setup
    this.providers = []
    this.pool = undefined
    this.scope = undefined
    this.isClosing = false
    machine.run(
      Effect.gen(this, function* () {
        const scope = yield* Scope.make()
        const limits = limited ? yield* SourceLimits.make({ concurrency: 1, rate: 3 }) : undefined
        const pool = yield* TokenProviders.make({
          source: (key) => network.sourceOf(this, machine, key, limits),
          policy: this.unreliable(this.policy),
          idle: idle === undefined ? Duration.infinity : `${idle} seconds`
        }).pipe(Effect.provideService(TokenStore, store), Scope.extend(scope))
        const providers: Array<TokenProvider["Type"]> = []
        for (let index = 0; index < network.setup.keys; index++) providers.push(yield* pool.of(keyOf(index)))
        Object.assign(this, { pool, providers, scope })
      })
    )
    return machine
  }

  /** Calls through the handle that was taken at the start, or through one that is taken now. */
  ask<A, E>(
    k: number,
    call: (provider: TokenProvider["Type"]) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | ProviderClosed> | undefined {
    const { pool } = this
    const provider = this.providers[k]
    if (pool === undefined || provider === undefined || !this.isUp) return undefined
    return this.network.world.random.int(2) === 0
      ? call(provider)
      : Effect.flatMap(Effect.catchTag(pool.of(provider.key), "NoSource", Effect.die), call)
  }

  private unreliable(policy: RefreshPolicy): RefreshPolicy {
    const over = <Out, In>(at: "ahead" | "retry", schedule: Schedule.Schedule<Out, In>) =>
      Schedule.makeWithState(schedule.initial, (now, input: In, state) => {
        const fault = this.policyFault
        const holds = fault?.at === at && this.network.world.now < fault.until
        const step = schedule.step(now, input, state)
        return holds ? broken(fault.how, step) : step
      })
    return { ...policy, ahead: over("ahead", policy.ahead), retry: over("retry", policy.retry) }
  }

  crash(down: number): void {
    if (!this.isUp) return
    const { world } = this.network
    world.log(`${this.machine.name} crashes`)
    const { skew } = this.machine
    this.machine.crash()
    world.after(down, () => {
      if (this.isUp) return
      world.log(`p${this.index} starts again`)
      this.start(skew)
    })
  }

  /** Ends in good order, and starts again later. */
  close(down: number): void {
    const { machine, scope } = this
    const { ledger, world } = this.network
    if (!this.isUp || scope === undefined || this.isClosing) return
    this.isClosing = true
    world.log(`${machine.name} closes`)
    const closed = Effect.sync(() => {
      world.log(`${machine.name} is closed`)
      ledger.closed(machine)
      // Whatever still goes on in it would be seen at the store or the token endpoint.
      world.after(LINGERS, () => {
        if (!machine.dead) this.crash(down)
      })
    })
    machine.run(Effect.zipRight(Scope.close(scope, Exit.void), closed))
    const from = world.now
    const check = (allowed: number): void =>
      world.after(allowed, () => {
        if (machine.dead || ledger.isClosed(machine)) return
        const due = from + CLOSES + machine.frozenSince(from)
        if (world.now < due) return check(due - world.now)
        world.fail(`P6: ${machine.name} does not close`)
      })
    check(CLOSES)
  }

  /** Whether a trap kills the process here. */
  springs(machine: Machine, at: Operation, phase: Phase): boolean {
    if (machine !== this.machine || machine.dead) return machine.dead
    const index = this.traps.findIndex((trap) => trap.at === at && trap.phase === phase)
    const [trap] = index < 0 ? [] : this.traps.splice(index, 1)
    if (trap !== undefined) this.crash(trap.down)
    return trap !== undefined
  }

  storeFault(op: StoreOperation | Sealing): StoreFault | undefined {
    const { now } = this.network.world
    this.storeFaults = this.storeFaults.filter(({ until }) => now < until)
    const isSealing = op === "seal" || op === "open"
    return this.storeFaults.find(({ at }) => (at === "any" && !isSealing) || at === op)?.how
  }
}

export const keyOf = (index: number): string => `k${index}`

/** What the server says, as it says it. */
export const tokensOf = ({ access, refresh, rotated }: Minted, now: number): TokenSet =>
  TokenSet.make({
    accessToken: access.value,
    expiresIn: `${Math.max(1_000, access.expiresAt - now)} millis`,
    refreshToken: rotated ? refresh.value : undefined
  })

const brief = (answer: unknown): string => {
  if (answer === null || typeof answer !== "object" || !("row" in answer)) return String(answer)
  const row = answer.row as StoredRow | undefined
  if (row === undefined) return "no row"
  const time = (at: number | undefined) => (at === undefined ? undefined : ((at - EPOCH) / 1000).toFixed(3))
  const parts = {
    generation: row.generation > EPOCH ? `#${row.generation - EPOCH}` : row.generation,
    tokens: row.payload?.match(/access\.[\w.]+/)?.[0],
    lease: row.leaseOwner && `${row.leaseOwner.slice(0, 4)} until ${time(row.leaseUntil)}`,
    intent: row.intentOwner && `${row.intentOwner.slice(0, 4)} at ${time(row.intentAt)}`,
    retry: time(row.retryAt),
    dead: row.dead || undefined
  }
  const told = Object.entries(parts).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
  return told.join(", ")
}

const STATEMENT = 10_000
/** A flight that lasts as long as one may, and what is to be saved after it: each statement as slow as one may be. */
const CLOSES = 120_000
const LINGERS = 15_000
