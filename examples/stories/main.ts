// npm run story -- 1: plays one of the stories, and exits 1 where the far side's log does not say what it should.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit } from "effect"

// Story 4 starts this file again for its workers: `main.ts 4 cron`.
type Story = { readonly [part: string]: unknown }
const stories: Record<string, () => Promise<Story>> = {
  1: () => import("./1-around-each-call.js"),
  2: () => import("./2-always-warm.js"),
  3: () => import("./3-many-streams.js"),
  4: () => import("./4-shared-table.js")
}

const [number = "", part = "story"] = process.argv.slice(2)
const load = stories[number]
if (load === undefined) {
  console.error(`Which story? npm run story -- ${Object.keys(stories).join(", ")}`)
  process.exit(1)
}
Effect.flatMap(Effect.promise(load), (story) => story[part] as Effect.Effect<unknown, unknown>).pipe(
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, end) => {
      if (Exit.isSuccess(exit)) return end(0)
      console.error(Cause.prettyErrors(exit.cause)[0]?.message ?? "The story was stopped.")
      end(1)
    }
  })
)
