import { assert, describe, it } from "@effect/vitest"
import { nearest } from "../src/model/Options.js"

describe("options", () => {
  it("names the known option that was probably meant", () => {
    const table = [
      ["scopes", "scope"],
      ["params", "parameters"],
      ["clientID", "clientId"],
      ["client_id", "clientId"],
      ["polcy", "policy"],
      ["tabel", "table"],
      ["zzz", undefined]
    ] as const
    for (const [name, expected] of table) {
      assert.strictEqual(nearest(name, ["scope", "parameters", "clientId", "policy", "table"]), expected, name)
    }
  })
})
