// npm run story -- 1: plays one of the stories, and exits 1 where the far side's log does not say what it should.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit } from "effect"

const stories: Record<string, () => Promise<{ readonly story: Effect.Effect<void, unknown> }>> = {
  1: () => import("./1-around-each-call.js"),
  2: () => import("./2-always-warm.js"),
  3: () => import("./3-many-streams.js")
}

const load = stories[process.argv[2] ?? ""]
if (load === undefined) {
  console.error(`Which story? npm run story -- ${Object.keys(stories).join(", ")}`)
  process.exit(1)
}
Effect.flatMap(Effect.promise(load), ({ story }) => story).pipe(
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, end) => {
      if (Exit.isSuccess(exit)) return end(0)
      console.error(Cause.prettyErrors(exit.cause)[0]?.message ?? "The story was stopped.")
      end(1)
    }
  })
)
