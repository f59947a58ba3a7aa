import { parseArgs } from "node:util"
import { play, story } from "../packages/core/test/sim/play.js"

// Plays seeded histories of the refresh protocol: `--seed N` one of them with its trace, `--seeds N` so many, `--minutes
// N` for so long. Ends with an error at the first that breaks a promise, shown at its shortest, or with `--quick` as it is.

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    seeds: { type: "string" },
    minutes: { type: "string" },
    quick: { type: "boolean", default: false }
  }
})

Error.stackTraceLimit = 0
if (values.seed !== undefined) {
  const seed = Number(values.seed)
  const { failing, history } = play(seed)
  const shown = failing ?? history
  if (shown !== undefined) console.log(story(shown))
  process.exitCode = failing === undefined ? 0 : 1
} else {
  const first = Number(values.from)
  const last = first + Number(values.seeds ?? (values.minutes === undefined ? 1_000 : Number.MAX_SAFE_INTEGER)) - 1
  const until = values.minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.minutes) * 60_000
  let told = Date.now()
  let seed = first
  for (; seed <= last && Date.now() < until; seed++) {
    const { failing } = play(seed, !values.quick)
    if (failing !== undefined) {
      console.log(`seed ${seed}\n${story(failing)}`)
      process.exit(1)
    }
    if (Date.now() - told > 10_000) {
      told = Date.now()
      console.log(`${seed - first + 1} histories, all promises kept so far`)
    }
  }
  console.log(`${seed - first} histories (seeds ${first} to ${seed - 1}): every promise was kept`)
}
