import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const folders = ["packages/*/test", "examples/test"]
const unit = folders.map((folder) => `${folder}/**/*.test.ts`)
const live = folders.map((folder) => `${folder}/**/*.live.test.ts`)
const given = process.env.EVERTOKEN_TEST_SEED
const seed = given === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(given || 1)

export default defineConfig({
  ssr: { resolve: { conditions: ["@evertoken/source", "node"] } },
  resolve: { conditions: ["@evertoken/source", "node"] },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    provide: { seed },
    setupFiles: ["test/seed.ts"],
    poolOptions: {
      // They keep a core busy: one for each.
      threads: { isolate: false, minThreads: 1, maxThreads: availableParallelism() },
      // They wait for leases, servers and processes most of the time.
      forks: { minForks: 1, maxForks: 2 * availableParallelism() }
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: unit,
          exclude: live,
          pool: "threads",
          setupFiles: ["test/unit.ts"],
          sequence: { groupOrder: 0 }
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
