import { assert, describe, it } from "@effect/vitest"
import { type Typed, typed } from "../src/cli/Arguments.js"

describe("the command line", () => {
  it("serves if nothing else is said, and gives each command its options", () => {
    const read = (line: string) => {
      const found = typed(line.split(" ").filter((word) => word !== ""))
      if (found._tag !== "Command") return found
      const { command, given, values } = found
      return [command, given("yes"), values("keys"), values("config")] as const
    }
    assert.deepStrictEqual(read(""), ["serve", false, [], []])
    assert.deepStrictEqual(read("--worker-only"), ["serve", false, [], []])
    assert.deepStrictEqual(read("check --try --config a.json"), ["check", false, [], ["a.json"]])
    assert.deepStrictEqual(read("restored --yes --keys=a/* --keys b"), ["restored", true, ["a/*", "b"], []])
    assert.deepStrictEqual(read("--version"), { _tag: "Version" })
  })

  it("every command tells its own help, with all of its options", () => {
    const text = (found: Typed) => (found._tag === "Help" ? found.text : "")
    const help = text(typed(["--help"]))
    const commands = [...help.matchAll(/^ {2}\[?([a-z-]+)\]? {2,}/gm)].map(([, name = ""]) => name)
    assert.includeMembers(commands, ["serve", "check", "migrate", "report", "rotate", "restored"])
    for (const command of commands) {
      const own = text(typed([command, "--help"]))
      assert.isTrue(own.startsWith(`evertoken ${command}: `), command)
      for (const [, option = ""] of own.matchAll(/^ {2}--([a-z-]+)/gm)) {
        if (option === "help") continue
        const value = new RegExp(`--${option} <`).test(own) ? ["x"] : []
        assert.strictEqual(typed([command, `--${option}`, ...value])._tag, "Command", `${command} --${option}`)
      }
      for (const line of own.split("\n")) assert.isAtMost(line.length, 120)
    }
    assert.strictEqual(text(typed(["-h"])), help)
  })

  it("what is wrong is told with what would be right, and nothing of it is repeated", () => {
    const problem = (line: string) => {
      const found = typed(line.split(" "))
      return found._tag === "Wrong" ? found.problem : found._tag
    }
    assert.match(problem("rotat"), /there is no such command; did you mean "rotate"\?/)
    assert.match(problem("s3cret"), /there is no such command; expected serve, check, /)
    assert.match(problem("check --confg x"), /"check" has no such option; did you mean "--config"\?/)
    assert.match(problem("rotate --try"), /"rotate" has no such option; expected --config, --plain, --help/)
    assert.match(problem("--s3cret"), /"serve" has no such option/)
    assert.match(problem("check --config"), /--config takes <file>/)
    assert.match(problem("check --config --try"), /--config takes <file>/)
    assert.match(problem("check --try=s3cret"), /--try takes no value/)
    assert.match(problem("check --config a --config b"), /--config is there twice/)
    assert.match(problem("check s3cret"), /there is one command at a time/)
    for (const line of ["s3cret", "--s3cret", "check --try=s3cret", "check s3cret", "-x", "--config=s3cret --yes"]) {
      assert.notInclude(problem(line), "s3cret")
    }
  })
})
