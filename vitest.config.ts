import { availableParallelism } from "node:os"
import { setFlagsFromString } from "node:v8"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const cores = availableParallelism()
const folders = ["packages/*/test", "examples/test"]
const unit = folders.map((folder) => `${folder}/**/!(*.live|*.long).test.ts`)
const long = folders.map((folder) => `${folder}/**/*.long.test.ts`)
const live = folders.map((folder) => `${folder}/**/*.live.test.ts`)
const given = process.env.EVERTOKEN_TEST_SEED
const seed = given === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(given || 1)

// Nearly all that the threads allocate is garbage at once: room for it, or a third of their time goes into clearing it away.
setFlagsFromString("--max-semi-space-size=64")

/** What takes longest, so that it is not what a run waits for at its end. */
const longest = /(Seeds\d|EndToEnd|Maintenance|story-4|Bin|Processes|Storm|Sockets|Model|Process|seeds)/
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId.split("/").pop() ?? "")
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  ssr: { resolve: { conditions: ["@evertoken/source", "node"] } },
  resolve: { conditions: ["@evertoken/source", "node"] },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    provide: { seed },
    setupFiles: ["test/seed.ts"],
    sequence: { sequencer: LongestFirst },
    poolOptions: {
      // As many at least as at most: one that the pool ends for want of work may be given work meanwhile, which fails the run.
      // They keep a core busy: one for each.
      threads: { isolate: false, minThreads: cores, maxThreads: cores },
      // They wait for leases, servers and processes most of the time.
      forks: { isolate: false, minForks: 3 * cores, maxForks: 3 * cores }
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: unit,
          pool: "threads",
          setupFiles: ["test/unit.ts"],
          sequence: { groupOrder: 0 }
        }
      },
      {
        // Beside the live tests, which wait most of the time.
        extends: true,
        test: {
          name: "long",
          include: long,
          pool: "threads",
          setupFiles: ["test/unit.ts", "test/behind.ts"],
          sequence: { groupOrder: 1 }
        }
      },
      {
        extends: true,
        test: {
          name: "live",
          include: live,
          pool: "forks",
          globalSetup: ["test/postgres.ts"],
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
