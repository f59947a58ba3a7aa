// Longer than 200 lines: what a history is played on, in one closure.

import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as GlobalValue from "effect/GlobalValue"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Scheduler from "effect/Scheduler"

/** One virtual time for everything in a history, and the machines that live in it. Runs without a promise or a timer. */
export class World {
  /** True time, in milliseconds. */
  now = 0
  violation: string | undefined
  /** How far the store's clock was moved, and when. */
  readonly storeSteps: Array<{ readonly at: number; readonly by: number }> = []
  /** When the store lost its last commits. */
  readonly failovers: Array<number> = []
  /** When nobody reached the store. */
  readonly outages: Array<{ readonly how: string; readonly from: number; readonly to: number }> = []
  /** What a store of this history is doing, outside of its time: it stands still until that is over. */
  pending: Promise<void> | undefined
  readonly trace: Array<string> | undefined
  private readonly machines = new Set<Machine>()
  private readonly heap: Array<Event> = []
  private serial = 0
  steps = 0
  private stepsHere = 0

  constructor(
    readonly random: Dice,
    traced: boolean
  ) {
    this.trace = traced ? [] : undefined
  }

  /** Does `action` at true time `now + delay`. */
  after(delay: number, action: () => void): void {
    const event = { at: this.now + Math.max(0, delay), serial: this.serial++, action }
    const { heap } = this
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent], event)) break
      const above = heap[parent]
      if (above === undefined) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  /** Lets everything happen up to true time `until`, or to the first violation. */
  run(until: number): void {
    for (;;) {
      if (this.violation !== undefined || this.pending !== undefined) return
      const machine = this.pick()
      if (machine !== undefined) {
        this.steps++
        if (++this.stepsHere > MOST_STEPS_AT_ONCE) return void this.fail("P6: something spins without waiting")
        if (this.steps > MOST_STEPS) return void this.fail("P6: something spins")
        machine.step()
        continue
      }
      const next = this.heap[0]
      if (next === undefined || next.at > until) {
        this.now = Math.max(this.now, until)
        return
      }
      this.pop()
      if (next.at > this.now) {
        this.now = next.at
        this.stepsHere = 0
      } else if (++this.stepsHere > MOST_STEPS_AT_ONCE) return void this.fail("P6: timers spin")
      next.action()
    }
  }

  fail(violation: string): void {
    this.log("VIOLATION", violation)
    this.violation ??= violation
  }

  log(...parts: ReadonlyArray<unknown>): void {
    this.trace?.push(`${(this.now / 1000).toFixed(3).padStart(10)}  ${parts.join(" ")}`)
  }

  /** By how much the store's clock went back since `at`, so that what it kept seems to hold for longer. */
  storeSetBack(at: number): number {
    return this.storeSteps.reduce((sum, step) => sum + (step.at >= at ? Math.max(0, -step.by) : 0), 0)
  }

  add(machine: Machine): void {
    this.machines.add(machine)
  }

  drop(machine: Machine): void {
    this.machines.delete(machine)
  }

  private pick(): Machine | undefined {
    const ready: Array<Machine> = []
    for (const machine of this.machines) if (machine.isReady) ready.push(machine)
    return ready.length < 2 ? ready[0] : ready[this.random.int(ready.length)]
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const least = isBefore(heap[left + 1], heap[left]) ? left + 1 : left
      const below = heap[least]
      if (below === undefined || isBefore(last, below)) break
      heap[index] = below
      index = least
    }
    heap[index] = last
  }
}

/** One process: its clock, its run queue, its life. It can freeze, and die between any two steps. */
export class Machine implements Scheduler.Scheduler {
  dead = false
  diedAt = Number.POSITIVE_INFINITY
  /** When it froze, and for how long in all, in true time. */
  readonly freezes: Array<{ readonly from: number; readonly to: number }> = []
  /** How far its wall clock was moved, and when. */
  readonly clockSteps: Array<{ readonly at: number; readonly by: number }> = []
  /** When the store or the network did not do for it what they should. */
  readonly troubles: Array<{ readonly from: number; to: number }> = []
  /** When it asked the store during an outage. */
  readonly missed: Array<number> = []
  private queue: Array<() => void> = []
  private frozenUntil = 0
  private asleep = 0
  private readonly runtime: Runtime.Runtime<never>

  constructor(
    readonly world: World,
    readonly name: string,
    public skew: number,
    seed: string
  ) {
    const wall = () => Math.floor(EPOCH + world.now + this.skew)
    const steady = () => BigInt(Math.floor((world.now - this.asleep) * 1_000_000))
    this.runtime = runtimeWith(Random.make(seed), {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: wall,
      unsafeCurrentTimeNanos: steady,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanos: Effect.sync(steady),
      sleep: (duration) => this.sleep(Duration.toMillis(duration))
    })
    world.add(this)
  }

  get isReady(): boolean {
    return this.queue.length > 0 && this.world.now >= this.frozenUntil
  }

  /** Runs `effect` here; it starts at once. */
  run<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    return Runtime.runFork(this.runtime, effect, { scheduler: this })
  }

  /** As Effect's own does, which looks the bound up before each of its operations. */
  shouldYield({ currentOpCount }: { readonly currentOpCount: number }): number | false {
    return currentOpCount > MOST_OPERATIONS ? 0 : false
  }

  scheduleTask(task: () => void): void {
    if (!this.dead) this.queue.push(task)
  }

  step(): void {
    const index = this.world.random.int(this.queue.length)
    const task = this.queue[index]
    const last = this.queue.pop()
    if (last !== undefined && index < this.queue.length) this.queue[index] = last
    task?.()
  }

  /** Nothing of it runs any more; no finalizer, no answer is heard. */
  crash(): void {
    this.dead = true
    this.diedAt = this.world.now
    this.queue = []
    this.world.drop(this)
  }

  /** It stops for a while; with `sleeping` its steady clock stops too, as a closed laptop's does. */
  freeze(millis: number, sleeping: boolean): void {
    const { now } = this.world
    if (now < this.frozenUntil) return
    this.frozenUntil = now + millis
    this.freezes.push({ from: now, to: now + millis })
    if (sleeping) this.asleep += millis
    this.world.after(millis, () => undefined)
  }

  stepClock(by: number): void {
    this.skew += by
    this.clockSteps.push({ at: this.world.now, by })
  }

  /** For how long it was frozen between `from` and now. */
  frozenSince(from: number): number {
    let total = 0
    for (const freeze of this.freezes) {
      total += Math.max(0, Math.min(freeze.to, this.world.now) - Math.max(freeze.from, from))
    }
    return total
  }

  private sleep(millis: number): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (!Number.isFinite(millis)) return
      let cancelled = false
      const { asleep } = this
      const wake = (slept: number) => {
        if (cancelled || this.dead) return
        // What the steady clock missed is still to be slept; what froze wakes late.
        const rest = Math.max(this.asleep - slept, this.frozenUntil - this.world.now)
        if (rest <= 0) return resume(Effect.void)
        const { asleep } = this
        this.world.after(rest, () => wake(asleep))
      }
      this.world.after(Math.ceil(millis), () => wake(asleep))
      return Effect.sync(() => {
        cancelled = true
      })
    })
  }
}

/** A seeded source of numbers for what is outside of the machines. */
export class Dice {
  private state: number

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0
  }

  /** A number from zero up to one. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  int(below: number): number {
    return Math.floor(this.next() * below)
  }
}

/** Runs `body`, then lets go of the fibers that it left behind: those of crashed machines never end. */
export const contained = <A>(body: () => A): A => {
  const { roots } = GlobalValue.globalValue(Symbol.for("effect/FiberScope/Global"), () => ({
    roots: new Set<unknown>()
  }))
  const before = new Set(roots)
  try {
    return body()
  } finally {
    for (const fiber of roots) if (!before.has(fiber)) roots.delete(fiber)
  }
}

/** Runs effects with these, without logs, spans and metrics of fibers: set once, not for each of them. */
export const runtimeWith = (random: Random.Random, clock: Clock.Clock): Runtime.Runtime<never> => {
  const quiet = Effect.withTracerEnabled(Logger.withMinimumLogLevel(Effect.getFiberRefs, LogLevel.None), false)
  return Runtime.make({
    context: Context.empty(),
    fiberRefs: Effect.runSync(Effect.withRandom(Effect.withClock(quiet, clock), random)),
    runtimeFlags: RuntimeFlags.disable(Runtime.defaultRuntimeFlags, RuntimeFlags.RuntimeMetrics)
  })
}

/** What the wall clocks say at true time zero. */
export const EPOCH = Date.UTC(2026, 0, 1)

interface Event {
  readonly at: number
  readonly serial: number
  readonly action: () => void
}

const isBefore = (a: Event | undefined, b: Event | undefined): boolean =>
  a !== undefined && (b === undefined || a.at < b.at || (a.at === b.at && a.serial < b.serial))

const MOST_OPERATIONS = 2_048
const MOST_STEPS_AT_ONCE = 4_000
const MOST_STEPS = 1_000_000
