import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"

it("the kit works in node:test, whose failures are the kit's own", async () => {
  const file = fileURLToPath(new URL("./testing.node.ts", import.meta.url))
  const flags = ["--conditions=@evertoken/source", "--import", "tsx", "--test", "--test-reporter=tap", file]
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const [code, output] = await new Promise<readonly [number | null, string]>((resolve) => {
    const child = execFile(process.execPath, flags, { env }, (_, out, err) => resolve([child.exitCode, out + err]))
  })
  assert.strictEqual(code, 0, output)
  assert.match(output, /^# pass 1$/m)
})
