import {
  ClientRejected,
  GrantRejected,
  RefreshPolicy,
  type SourceError,
  type StoredRow,
  type TokenChange,
  TokenEndpointError,
  TokenProvider,
  TokenSet,
  TokenSource,
  TokenStore,
  type TokenStoreBackend
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Clock, Effect, Queue, Redacted, Scope, Stream } from "effect"
import type { AuthorityModel, Minted } from "./AuthorityModel.js"
import type { Operation, Phase, ServerFault, Setup, StoreFault, StoreOperation } from "./History.js"
import { Ledger } from "./Ledger.js"
import { EPOCH, Machine, type World } from "./World.js"

/** What the processes share: one store, one authorization server, and a network that does them harm. */
export class Network {
  readonly ledger: Ledger
  readonly processes: Array<Process> = []
  serverFault: { readonly how: ServerFault; readonly until: number } | undefined
  private readonly backend: TokenStoreBackend
  private readonly clock: Clock.Clock

  constructor(
    readonly world: World,
    readonly authority: AuthorityModel,
    readonly setup: Setup
  ) {
    this.ledger = new Ledger(world, authority, setup)
    this.backend = Effect.runSync(MemoryTokenStore.backend())
    const wall = () => Math.floor(EPOCH + world.now + setup.storeSkew)
    this.clock = { ...Clock.make(), unsafeCurrentTimeMillis: wall, currentTimeMillis: Effect.sync(wall) }
  }

  latency(): number {
    return this.world.random.int(this.setup.latency)
  }

  /** The store as `process` sees it. */
  storeOf(process: Process, machine: Machine): TokenStore["Type"] {
    const { backend, ledger } = this
    const hints = Effect.runSync(Queue.unbounded<TokenChange>())
    process.hints = hints
    const ask = <A>(op: StoreOperation, key: string, effect: Effect.Effect<A, unknown>, note: (answer: A) => void) =>
      this.ask(process, machine, op, key, effect, note)
    return TokenStore.make({
      ...backend,
      load: (key) => ask("load", key, backend.load(key), () => undefined),
      put: (key, row) =>
        ask("put", key, backend.put(key, row), (done) => {
          if (done) ledger.put(key, row)
          if (done) this.tell(key, row.generation)
        }),
      lease: (key, request) =>
        ask("lease", key, backend.lease(key, request), (snapshot) => ledger.lease(machine, key, request, snapshot)),
      renew: (key, owner, lasts) =>
        ask("renew", key, backend.renew(key, owner, lasts), (done) => {
          if (done) ledger.renew(key, owner, lasts)
        }),
      commit: (key, result) =>
        ask("commit", key, backend.commit(key, result), (done) => {
          if (done) ledger.commit(key, result)
          else ledger.deny(result.tokens)
          if (done) this.tell(key, result.generation + 1)
        }),
      fail: (key, result) =>
        ask("fail", key, backend.fail(key, result), (done) => {
          if (done) ledger.failed(key, result)
          if (done) this.tell(key, result.generation)
        }),
      remove: (key) =>
        ask("remove", key, backend.remove(key), (done) => {
          if (done) ledger.remove(key)
          if (done) this.tell(key, 0)
        }),
      changes: Stream.fromQueue(hints)
    })
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
    effect: Effect.Effect<A, unknown>,
    note: (answer: A) => void
  ): Effect.Effect<A, unknown> {
    const { world } = this
    const { random } = world
    return Effect.async<A, Error>((resume) => {
      if (process.springs(machine, op, "before")) return
      const how = process.storeFault(op)
      const slow = how === "slow"
      const there = how === "late" ? 9_000 + random.int(8_000) : slow ? random.int(9_000) : this.latency()
      const back = slow ? random.int(4_000) : this.latency()
      if ((how !== undefined && !slow) || there + back >= STATEMENT) {
        machine.troubles.push({ from: this.world.now, to: this.world.now + Math.max(STATEMENT, there) })
      }
      const say = (answer: Effect.Effect<A, Error>) =>
        world.after(back, () => {
          if (!machine.dead) resume(answer)
        })
      world.after(there, () => {
        if (how === "refuses") return say(Effect.fail(new Error("refused")))
        if (how === "silent") return
        const answer = Effect.runSync(Effect.either(Effect.withClock(effect, this.clock)))
        if (answer._tag === "Left") return this.world.fail(`the store failed: ${String(answer.left)}`)
        if (this.world.trace !== undefined) {
          this.world.log(`${machine.name} ${op} ${key}${how === undefined ? "" : ` (${how})`}:`, brief(answer.right))
        }
        note(answer.right)
        if (how === "lies") return say(Effect.fail(new Error("connection lost")))
        if (how === "late") return
        say(Effect.succeed(answer.right))
      })
      process.springs(machine, op, "sent")
    })
  }

  /** The token endpoint as `process` sees it. */
  sourceOf(process: Process, machine: Machine, key: string) {
    const { login, replay, window } = this.setup
    return TokenSource.make({
      login: login ? this.post(process, machine, key, "login", "") : undefined,
      refresh: (current) =>
        this.post(
          process,
          machine,
          key,
          "refresh",
          current.refreshToken === undefined ? "" : Redacted.value(current.refreshToken)
        ),
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
    presented: string
  ): Effect.Effect<TokenSet, SourceError> {
    const { authority, ledger, world } = this
    return Effect.async((resume) => {
      if (process.springs(machine, "post", "before")) return
      const presentation = ledger.post(machine, key, by, presented)
      const how =
        this.serverFault !== undefined && world.now < this.serverFault.until ? this.serverFault.how : undefined
      world.log(`${machine.name} POST ${by} ${presented}${how === undefined ? "" : ` (${how})`}`)
      const back = how === "slow" ? world.random.int(20_000) : this.latency()
      const say = (outcome: typeof presentation.outcome, answer: Effect.Effect<TokenSet, SourceError>) =>
        world.after(back, () => {
          if (world.now - presentation.at >= this.setup.timeout * 1_000) presentation.lost = true
          if (machine.dead) return
          if (!presentation.lost) presentation.outcome = outcome
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
        presentation.lost =
          how === "loses requests" || how === "loses answers" || how === "disconnects" || how === "garbles"
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
        say("granted", Effect.succeed(tokensOf(minted, world.now)))
        if (!presentation.lost)
          world.after(back, () => {
            if (!machine.dead && !presentation.lost) ledger.answers.push({ minted, machine, key, at: presentation.at })
          })
      })
      process.springs(machine, "post", "sent")
    })
  }
}

/** A place where a process runs, dies, and runs again. */
export class Process {
  machine: Machine
  providers: Array<TokenProvider["Type"]> = []
  hints: Queue.Queue<TokenChange> | undefined
  deafUntil = 0
  storeFaults: Array<{ readonly how: StoreFault; readonly at: StoreOperation | "any"; readonly until: number }> = []
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
    this.providers = []
    machine.run(
      Effect.gen(this, function* () {
        const scope = yield* Scope.make()
        for (let index = 0; index < network.setup.keys; index++) {
          const source = network.sourceOf(this, machine, keyOf(index))
          const making = TokenProvider.make({ key: keyOf(index), source, policy: this.policy })
          this.providers.push(yield* making.pipe(Effect.provideService(TokenStore, store), Scope.extend(scope)))
        }
      })
    )
    if (this.providers.length < network.setup.keys) network.world.fail("a provider is not made at once")
    return machine
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

  /** Whether a trap kills the process here. */
  springs(machine: Machine, at: Operation, phase: Phase): boolean {
    if (machine !== this.machine || machine.dead) return machine.dead
    const index = this.traps.findIndex((trap) => trap.at === at && trap.phase === phase)
    const [trap] = index < 0 ? [] : this.traps.splice(index, 1)
    if (trap !== undefined) this.crash(trap.down)
    return trap !== undefined
  }

  storeFault(op: StoreOperation): StoreFault | undefined {
    const { now } = this.network.world
    this.storeFaults = this.storeFaults.filter(({ until }) => now < until)
    return this.storeFaults.find(({ at }) => at === "any" || at === op)?.how
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
