import { FastCheck } from "effect"
import { anyHistory, type History, show } from "./History.js"
import { simulate } from "./simulate.js"

/** The history of a seed: as it is, and where it breaks a promise, the `shortest` that breaks the same one. */
export const play = (
  seed: number,
  shortest = true
): { readonly history: History | undefined; readonly failing: History | undefined } => {
  let history: History | undefined
  let broken: string | undefined
  const property = FastCheck.property(anyHistory, (any) => {
    history ??= any
    const promise = promiseOf(simulate(any).violation)
    broken ??= promise
    if (promise !== undefined && promise === broken) throw new Error(promise)
  })
  const { counterexample } = FastCheck.check(property, {
    seed,
    numRuns: 1,
    endOnFailure: !shortest,
    interruptAfterTimeLimit: 30_000
  })
  return { history, failing: counterexample?.[0] }
}

/** What a history does, and what came of it, as text. */
export const story = (history: History): string => {
  const { trace, violation } = simulate(history, true)
  return [show(history), "", ...trace, "", violation ?? "every promise was kept"].join("\n")
}

const promiseOf = (violation: string | undefined): string | undefined =>
  violation?.replace(/\S*\d\S*/g, "_").slice(0, 40)
