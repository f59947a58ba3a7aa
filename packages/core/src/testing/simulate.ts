// Longer than 200 lines: one history and the promises that are checked at each of its steps.

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { RefreshPolicy } from "../model/RefreshPolicy.js"
import { TokenEndpointError } from "../model/TokenError.js"
import type { TokenProvider } from "../provider/TokenProvider.js"
import { TokenProviders } from "../provider/TokenProviders.js"
import { TokenStore } from "../store/TokenStore.js"
import { type TokenChange, type TokenStoreBackend } from "../store/TokenStoreBackend.js"
import { FakeTokenSource } from "./FakeTokenSource.js"
import { ContractBroken, type StoreUnderTest } from "./StoreCase.js"
import { StoreModel } from "./StoreModel.js"
import { contained, Dice, EPOCH, Machine, World } from "./World.js"

/** Which histories `simulate` plays. */
export interface SimulateOptions {
  /**
   * How many.
   * @default 50
   */
  readonly histories?: number | undefined
  /**
   * The seed of the first; each of the others has the next number. A history is the same by the same seed.
   * @default 1
   */
  readonly seed?: number | undefined
}

/**
 * Plays seeded histories of the refresh protocol on a store: three processes, the second through `other`, that refresh, log
 * in and out, and are killed before or after any statement, with answers of the store and of the token endpoint that get
 * lost. Each answer of the store is held against what it was told before, and at the end all has to be well. Fails with
 * the seed, what is wrong and what happened. `open` gives an empty store for each history. The store goes by Effect's
 * `Clock`; one that does not has `setBack`.
 *
 * @example
 * ```ts
 * it.live("my store keeps what it is told, whoever dies", () =>
 *   simulate(Effect.map(MemoryTokenStore.backend(), (backend) => ({ backend })))
 * )
 * ```
 */
export const simulate = <E, R>(
  open: Effect.Effect<StoreUnderTest, E, R | Scope.Scope>,
  { histories = 50, seed = 1 }: SimulateOptions = {}
): Effect.Effect<void, ContractBroken | E, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    for (let nth = seed; nth < seed + histories; nth++) {
      const play = Effect.gen(function* () {
        const store = yield* open
        const runtime = yield* Effect.runtime<never>()
        const clock = yield* Effect.clock
        return yield* Effect.promise(() => new History(nth, store, runtime, clock).play())
      })
      const broken = yield* Effect.scoped(play)
      if (broken !== undefined) return yield* new ContractBroken({ message: `seed ${nth}: ${broken}` })
    }
  })

type Operation = "load" | "put" | "lease" | "renew" | "commit" | "fail" | "remove"

/** One process: its machine, and a provider of each key once it has started. */
interface Process {
  readonly name: string
  machine: Machine
  providers: ReadonlyArray<TokenProvider["Type"]>
  /** The statement at which it dies. */
  trap: { readonly at: Operation; readonly sent: boolean } | undefined
  lives: number
  readonly hints: Array<Queue.Queue<TokenChange>>
}

class History {
  private readonly dice: Dice
  private readonly world: World
  private readonly model: StoreModel
  private readonly sources = KEYS.map(() =>
    FakeTokenSource.make({ canLogin: false, expiresIn: "2 minutes", takes: "100 millis", replayWindow: "5 minutes" })
  )
  private readonly processes: ReadonlyArray<Process>
  private apart: number | undefined
  private isCalm = false

  constructor(
    seed: number,
    private readonly store: StoreUnderTest,
    private readonly runtime: Runtime.Runtime<never>,
    private readonly clock: Clock.Clock
  ) {
    this.dice = new Dice(seed)
    this.world = new World(this.dice, true)
    this.model = new StoreModel((broken) => this.world.fail(broken))
    this.processes = NAMES.map((name) => {
      const machine = new Machine(this.world, name, 0, `${seed}/${name}`)
      return { name, machine, providers: [], trap: undefined, lives: 0, hints: [] }
    })
    for (const process of this.processes) this.start(process)
  }

  /** What is broken and how it came to that, if anything is. */
  async play(): Promise<string | undefined> {
    await this.run(1_000)
    for (let key = 0; key < KEYS.length; key++) this.call(0, key, "put")
    for (let step = 0; step < STEPS; step++) {
      await this.run(this.dice.int(4) === 0 ? this.dice.int(150_000) : this.dice.int(3_000))
      if (this.world.violation !== undefined) break
      this.happen()
    }
    this.world.log("- nothing happens any more")
    this.isCalm = true
    for (const source of this.sources) source.always()
    for (const process of this.processes) {
      process.trap = undefined
      if (process.machine.dead) this.start(process)
    }
    await this.run(200_000)
    for (let key = 0; key < KEYS.length; key++) this.call(0, key, "put")
    await this.run(30_000)
    for (let key = 0; key < KEYS.length; key++) {
      const asked = this.processes.map((_, at) => this.call(at, key, "get"))
      await this.run(40_000)
      const generations = new Set(asked.map((answer) => answer()))
      if (generations.size !== 1 || generations.has(undefined)) {
        this.world.fail(`P6: after all healed, the processes have of ${KEYS[key]}: ${[...generations].join(", ")}`)
      }
    }
    const { trace = [], violation } = this.world
    return violation === undefined ? undefined : [violation, ...trace.slice(-40)].join("\n")
  }

  private happen(): void {
    const at = this.dice.int(this.processes.length)
    const process = this.processes[at]
    const key = this.dice.int(KEYS.length)
    const kind = KINDS[this.dice.int(KINDS.length)]
    if (process === undefined || kind === undefined) return
    if (kind === "kill") return void this.kill(process)
    if (kind === "trap") {
      const operation = OPERATIONS[this.dice.int(OPERATIONS.length)] ?? "commit"
      process.trap = { at: operation, sent: this.dice.int(2) === 0 }
      return
    }
    if (kind === "freeze") return void process.machine.freeze(this.dice.int(20_000), false)
    if (kind === "lose") return void this.sources[key]?.next({ lost: true }, { fails: UNAVAILABLE })
    if (kind === "revoke") return void this.sources[key]?.revoke()
    if (kind === "overtake") return void this.overtake(at, key)
    this.call(at, key, kind)
    // One that logs in elsewhere at the same time.
    if (kind === "put" && this.dice.int(2) === 0) this.call((at + 1) % this.processes.length, key, kind)
  }

  /** A refresh that takes long, and what befalls it meanwhile: a stop of its process, a logout, a login, or its end. */
  private overtake(at: number, key: number): void {
    const other = (at + 1) % this.processes.length
    this.sources[key]?.next({ answersAfter: "3 seconds" })
    this.call(at, key, "refresh")
    this.world.after(500 + this.dice.int(2_000), () => {
      const process = this.processes[at]
      const what = this.dice.int(4)
      if (what === 0) this.call(other, key, "forget")
      if (what === 1) this.call(other, key, "put")
      if (what === 2) process?.machine.freeze(9_000, false)
      if (what === 3 && process !== undefined) this.kill(process)
    })
    this.world.after(8_000, () => this.call(other, key, "refresh"))
  }

  /** Calls in one process; gives the generation that it was given, once it is. */
  private call(at: number, key: number, kind: "get" | "refresh" | "reject" | "put" | "forget") {
    const process = this.processes[at]
    const provider = process?.providers[key]
    const source = this.sources[key]
    let generation: number | undefined
    if (process === undefined || provider === undefined || source === undefined || process.machine.dead)
      return () => generation
    this.world.log(`${process.name} ${kind} ${KEYS[key]}`)
    const { forget, get, put, refresh, reject } = provider
    const calls = {
      get,
      refresh,
      forget,
      put: Effect.suspend(() => put(source.login())),
      reject: Effect.flatMap(get, reject)
    }
    process.machine.run(
      Effect.map(Effect.exit<unknown, unknown, never>(calls[kind]), (exit) => {
        if (Exit.isSuccess(exit) && exit.value instanceof Object && "generation" in exit.value) {
          generation = Number(exit.value.generation)
        }
      })
    )
    return () => generation
  }

  private kill(process: Process): void {
    if (process.machine.dead || this.isCalm) return
    this.world.log(`${process.name} is killed`)
    process.machine.crash()
    process.providers = []
    this.world.after(this.dice.int(20_000), () => {
      if (process.machine.dead) this.start(process)
    })
  }

  private start(process: Process): void {
    if (process.machine.dead) {
      process.machine = new Machine(this.world, process.name, 0, `${process.name}/${++process.lives}`)
      this.world.log(`${process.name} starts again`)
    }
    process.machine.run(
      Effect.gen(this, function* () {
        const hints = yield* Queue.unbounded<TokenChange>()
        process.hints.splice(0, 1, hints)
        const pool = yield* TokenProviders.make({
          source: (key) => this.sources[KEYS.indexOf(key)]?.source ?? Effect.dieMessage(key),
          policy: RefreshPolicy.make({ lease: "5 seconds", timeout: "4 seconds", wait: "20 seconds" })
        }).pipe(
          Effect.provideService(TokenStore, TokenStore.make(this.backendOf(process, Stream.fromQueue(hints)))),
          Scope.extend(yield* Scope.make())
        )
        process.providers = yield* Effect.forEach(KEYS, pool.of)
      })
    )
  }

  /** The store as a process sees it. */
  private backendOf(process: Process, changes: TokenStoreBackend["changes"]): TokenStoreBackend {
    const { model } = this
    const { machine } = process
    const backend = process.name === NAMES[1] ? (this.store.other ?? this.store.backend) : this.store.backend
    const ask = <A>(
      at: Operation,
      key: string,
      does: Effect.Effect<A, unknown>,
      note: (answer: A, now: number) => void
    ) =>
      Effect.async<A, unknown>((resume) => {
        const { trap } = process
        if (trap?.at === at && machine === process.machine) {
          process.trap = undefined
          if (!trap.sent) return void this.kill(process)
          this.world.after(0, () => this.kill(process))
        }
        const isLost = !this.isCalm && this.dice.int(40) === 0
        this.world.after(this.dice.int(20), () => {
          this.world.pending = this.perform(does).then((exit) => {
            this.world.log(`${process.name} ${at} ${key}${isLost ? ", and its answer is lost" : ""}: ${told(exit)}`)
            if (Exit.isSuccess(exit)) note(exit.value, this.now())
            else this.world.fail(`${at} failed by itself`)
            if (Exit.isSuccess(exit) && at !== "load" && at !== "renew") this.hint(key)
            this.world.after(this.dice.int(20), () => resume(isLost ? Effect.fail("the answer is lost") : exit))
          })
        })
      })
    return {
      due: () => Effect.succeed([]),
      changes,
      load: (key) => ask("load", key, backend.load(key), (answer, now) => model.load(key, answer, now)),
      put: (key, row) => ask("put", key, backend.put(key, row), (done) => model.put(key, row, done)),
      lease: (key, request) =>
        ask("lease", key, backend.lease(key, request), (answer, now) => model.lease(key, request, now, answer)),
      renew: (key, owner, lasts) =>
        ask("renew", key, backend.renew(key, owner, lasts), (done, now) => model.renew(key, owner, lasts, now, done)),
      commit: (key, result) =>
        ask("commit", key, backend.commit(key, result), (done) => model.commit(key, result, done)),
      fail: (key, result) =>
        ask("fail", key, backend.fail(key, result), (done, now) => model.failed(key, result, now, done)),
      remove: (key) => ask("remove", key, backend.remove(key), () => model.remove(key))
    }
  }

  /** Does a statement, outside of the history's time but by its clock. */
  private perform<A>(does: Effect.Effect<A, unknown>): Promise<Exit.Exit<A, unknown>> {
    const { setBack } = this.store
    const now = this.now()
    if (setBack === undefined) {
      const clock = { ...Clock.make(), unsafeCurrentTimeMillis: () => now, currentTimeMillis: Effect.succeed(now) }
      return Runtime.runPromiseExit(this.runtime)(Effect.withClock(does, clock))
    }
    // Such a clock goes on by itself.
    const apart = this.world.now - this.clock.unsafeCurrentTimeMillis()
    const ahead = apart - (this.apart ?? apart)
    this.apart = apart
    return Runtime.runPromiseExit(this.runtime)(Effect.zipRight(setBack(-ahead), does))
  }

  private now(): number {
    return Math.floor(EPOCH + this.world.now)
  }

  private hint(key: string): void {
    for (const { hints } of this.processes) {
      for (const queue of hints) this.world.after(this.dice.int(20), () => queue.unsafeOffer({ key, generation: 0 }))
    }
  }

  private async run(length: number): Promise<void> {
    const until = this.world.now + length
    for (;;) {
      contained(() => this.world.run(until))
      const { pending } = this.world
      if (pending === undefined) return
      await pending
      this.world.pending = undefined
    }
  }
}

const told = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isFailure(exit)) return "failed"
  const { value } = exit
  if (!(value instanceof Object && "row" in value)) return `${value}`
  const row = value.row
  if (!(row instanceof Object)) return "no row"
  const fields = Object.entries(row).filter(([name, field]) => TOLD.has(name) && field !== undefined)
  return fields.map(([name, field]) => `${name} ${field}`).join(", ")
}

const TOLD = new Set(["generation", "leaseOwner", "leaseUntil", "intentOwner", "retryAt"])
const UNAVAILABLE = new TokenEndpointError({ reason: "unavailable" })
const KEYS = ["one", "two"]
const NAMES = ["a", "b", "c"]
const STEPS = 25
const OPERATIONS = ["load", "put", "lease", "renew", "commit", "fail", "remove"] as const
const KINDS = [
  ...(["get", "get", "refresh", "refresh", "refresh", "reject", "put", "forget"] as const),
  ...(["kill", "trap", "trap", "freeze", "lose", "revoke", "overtake", "overtake", "overtake"] as const)
]
