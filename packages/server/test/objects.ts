import * as v8 from "node:v8"
import { TokenSet } from "@evertoken/core"
import { Effect } from "effect"

/** How many objects of each kind are alive, after a collection. */
export const objects = (): Readonly<Record<string, number>> => ({
  ...Object.fromEntries(kinds.map(([name, constructor]) => [name, count(constructor)])),
  heap: process.memoryUsage().heapUsed
})

const count = (constructor: Constructor): number => v8.queryObjects(constructor, { format: "count" })

type Constructor = Parameters<typeof v8.queryObjects>[0]

const constructorOf = (value: object): Constructor => value.constructor

/** What an EventTarget keeps of each listener: a class that Node does not export. */
const listener = (): Constructor => {
  const target = new EventTarget()
  target.addEventListener("any", () => {})
  for (const symbol of Object.getOwnPropertySymbols(target)) {
    const first = Reflect.get(target, symbol)?.get?.("any")?.next
    if (first !== undefined) return constructorOf(first)
  }
  throw new Error("where does an EventTarget keep its listeners?")
}

const kinds: ReadonlyArray<readonly [string, Constructor]> = [
  ["fibers", constructorOf(Effect.runFork(Effect.void))],
  ["spans", constructorOf(Effect.runSync(Effect.makeSpan("any")))],
  ["token sets", TokenSet],
  ["timers", constructorOf(setTimeout(() => {}, 0))],
  ["listeners", listener()],
  ["promises", Promise],
  ["functions", Function],
  ["objects", Object]
]

/** Those of which there are as many after any number of operations. */
export const KINDS = ["fibers", "spans", "token sets", "timers", "listeners"]
