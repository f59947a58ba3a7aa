import { assert, describe, it } from "@effect/vitest"
import { play, story } from "./play.js"

const BATCH = 50

/**
 * The histories of the seeds `from` to `to`. Each plays some processes, one store, one authorization server and the harm
 * that befalls them, in virtual time. A failing one is shown at its shortest; `npm run sim -- --seed N` plays it again.
 */
export const seeds = (from: number, to: number): void => {
  describe("any history keeps the promises P1 to P10", () => {
    for (let first = from; first <= to; first += BATCH) {
      it(`seeds ${first} to ${first + BATCH - 1}`, async () => {
        for (let seed = first; seed < first + BATCH; seed++) {
          const { failing } = play(seed)
          if (failing !== undefined) assert.fail(`seed ${seed}\n${story(failing)}`)
          await new Promise(setImmediate) // lets vitest hear from this worker
        }
      })
    }
  })
}
