// The README's programs on Bun and Deno, and the one of docs/runtimes.md on workerd, from the tarballs.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort } from "../../test/freePort.js"
import { type FarSide, INVOICES } from "../far-side.js"
import { blocks, type Page, pages } from "../readme.js"
import { live } from "./lives.js"
import { local, runPrograms } from "./programs.js"
import { bin, consumer, run } from "./run.js"

export const checkRuntimes = async (page: Page, folder: string, farSide: FarSide): Promise<void> => {
  const own = { ...page, text: page.text.replace(/```ts\nimport \{ assert.*?```/s, "") }
  for (const runtime of [
    [consumer("bun"), "run"],
    [consumer("deno"), "run", "--allow-net", "--allow-env", "--node-modules-dir=manual"]
  ]) {
    const version = (await run(folder, runtime[0] ?? "", "--version")).split("\n")[0]
    const printed = await runPrograms(own, folder, farSide, runtime)
    console.log(`README.md on ${runtime[0]?.split("/").at(-1)} ${version}: ${printed.length} programs`)
  }
  await checkWorkerd(folder, farSide)
}

const checkWorkerd = async (folder: string, farSide: FarSide): Promise<void> => {
  const page = pages([]).find(({ path }) => path === "docs/runtimes.md")
  const program = page && blocks(page, "js").find((code) => code.includes("cloudflare:workers"))
  if (program === undefined) throw new Error("docs/runtimes.md has lost its program")
  writeFileSync(join(folder, "durable-object.mjs"), local(program, farSide))
  const options = ["--bundle", "--format=esm", "--external:cloudflare:*", "--conditions=worker", "--log-level=error"]
  await run(folder, bin("esbuild"), "durable-object.mjs", ...options, "--outfile=worker.js")
  const port = await freePort()
  writeFileSync(join(folder, "worker.capnp"), config(port))
  const before = farSide.posts()
  const worker = await live(folder, consumer("workerd"), ["serve", "worker.capnp"], port)
  const answers = [...(await worker.ask(5))]
  farSide.revoke()
  answers.push(...(await worker.ask(5)))
  const { output } = await worker.end()
  const [posts, wrong] = [farSide.posts() - before, answers.filter((answer) => answer !== INVOICES)]
  if (posts !== 2 || wrong.length > 0) throw new Error(`workerd: ${posts} logins, answers ${answers}\n${output}`)
  const version = (await run(folder, consumer("workerd"), "--version")).trim()
  console.log(`docs/runtimes.md on ${version}: ${answers.length} calls, ${posts} logins`)
}

const config = (port: number) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Billing", uniqueKey = "billing")],
  durableObjectStorage = (inMemory = void),
  bindings = [
    (name = "BILLING", durableObjectNamespace = "Billing"),
    (name = "BILLING_SECRET", text = "hush")
  ]
);
`
