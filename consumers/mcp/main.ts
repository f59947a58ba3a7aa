// Runs the night, for as long as it is asked to, and shows what came of each side.
import { parseArgs } from "node:util"
import { night, type Outcome, type SideName } from "./Night.js"
import { tableOf } from "./table.js"

const { values } = parseArgs({
  options: {
    hours: { type: "string" },
    minutes: { type: "string", default: "5" },
    processes: { type: "string", default: "24" },
    lifetime: { type: "string", default: "20" },
    rest: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    sides: { type: "string", default: "evertoken,sdk,mcp-remote" }
  }
})
const minutes = values.hours === undefined ? Number(values.minutes) : Number(values.hours) * 60
const known: ReadonlyArray<SideName> = ["evertoken", "sdk", "mcp-remote"]
const outcomes = await night({
  sides: known.filter((side) => values.sides.split(",").includes(side)),
  processes: Number(values.processes),
  seconds: minutes * 60,
  lifetime: Number(values.lifetime),
  rest: Number(values.rest),
  kills: 0,
  replayWindow: 0,
  seed: Number(values.seed)
})
console.log(
  `${values.processes} processes share one login for ${minutes} minutes; access tokens of ${values.lifetime} seconds, refresh tokens that rotate\n`
)
console.log(tableOf(outcomes))
for (const { errors, side } of outcomes) {
  const most = [...errors].sort(([, a], [, b]) => b - a).slice(0, 5)
  for (const [error, times] of most) console.log(`${side}: ${times} times ${error}`)
}
const ours = outcomes.find(({ side }) => side === "evertoken")
const isClean = ({ alarms, failed, logins, pages }: Outcome) => alarms + failed + logins + pages === 0
process.exit(ours === undefined || isClean(ours) ? 0 : 1)
