// Processes on one SQLite file share one login and are killed at random: no reuse alarm, nobody logged out, no call failed.
import { night } from "./Night.js"
import { tableOf } from "./table.js"

const outcomes = await night({
  ...{ sides: ["evertoken"], processes: 6, seconds: 30, lifetime: 4, rest: 1, kills: 3, replayWindow: 30 },
  seed: Number(process.env.EVERTOKEN_TEST_SEED ?? "1")
})
const [outcome] = outcomes
console.log(
  `6 processes, ${outcome?.kills} killed in 30 seconds, ${outcome?.lost} of them while their refresh was answered\n`
)
console.log(tableOf(outcomes))
for (const [error, times] of outcome?.errors ?? []) console.log(`${times} times ${error}`)
const isClean =
  outcome !== undefined &&
  outcome.kills >= 5 &&
  outcome.calls >= 20 &&
  outcome.tokenRequests >= 4 &&
  outcome.alarms + outcome.failed + outcome.logins + outcome.pages === 0
console.log(isClean ? "\nclean" : "\nNOT CLEAN")
process.exit(isClean ? 0 : 1)
