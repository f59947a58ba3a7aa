import { Dice } from "./World.js"

/** What the requests at a fake come to: one after the other, from now on, or by seeded chance. */
export interface FakeScript<Step> {
  /** What the next requests come to, one each; those after them are answered at once. */
  readonly next: (...steps: ReadonlyArray<Step>) => void
  /** What every request comes to from now on; without a step, each is answered at once again. */
  readonly always: (step?: Step) => void
  /** From now on one of so many requests comes to one of `steps`, drawn by the seed; the same seed draws the same. */
  readonly sometimes: (odds: FakeOdds<Step>) => void
}

/** How often which steps are drawn. */
export interface FakeOdds<Step> {
  readonly seed: number
  /** One of so many requests, on average. */
  readonly oneOf: number
  readonly steps: ReadonlyArray<Step>
}

/** A script, and what reads it: one step a request. */
export const makeScript = <Step>(): FakeScript<Step> & { readonly take: () => Step | undefined } => {
  const steps: Array<Step> = []
  let otherwise: () => Step | undefined = () => undefined
  return {
    next: (...more) => void steps.push(...more),
    always: (step) => {
      otherwise = () => step
    },
    sometimes: ({ oneOf, seed, steps: choices }) => {
      const dice = new Dice(seed)
      otherwise = () => (dice.int(oneOf) === 0 ? choices[dice.int(choices.length)] : undefined)
    },
    take: () => steps.shift() ?? otherwise()
  }
}
