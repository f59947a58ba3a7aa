import { Effect, FastCheck, Random } from "effect"
import { beforeEach, inject } from "vitest"

declare module "vitest" {
  interface ProvidedContext {
    readonly seed: number
  }
}

// All that is drawn at random in this process follows from the seed of the run: by Effect's Random, which each test
// begins anew from the seed and its own name, and by FastCheck. `EVERTOKEN_TEST_SEED` names another seed, or "random".
const seed = inject("seed")
const random = Effect.runSync(Effect.random)
const startFrom = (name: string) => Object.assign(random, Random.make(`${seed} ${name}`))

FastCheck.configureGlobal({ ...FastCheck.readConfigureGlobal(), seed })

startFrom("")
beforeEach(({ onTestFailed, task }) => {
  startFrom(nameOf(task))
  onTestFailed(() => console.error(`The seed of this run: EVERTOKEN_TEST_SEED=${seed}`))
})

interface Named {
  readonly name: string
  readonly suite?: Named | undefined
}

const nameOf = ({ name, suite }: Named): string => (suite === undefined ? name : `${nameOf(suite)} > ${name}`)
