import { defineConfig } from "vitest/config"

export default defineConfig({
  ssr: { resolve: { conditions: ["@evertoken/source", "node"] } },
  resolve: { conditions: ["@evertoken/source", "node"] },
  test: {
    testTimeout: 60_000,
    maxWorkers: "100%",
    minWorkers: 1,
    include: ["packages/*/test/**/*.test.ts", "examples/test/**/*.test.ts"]
  }
})
