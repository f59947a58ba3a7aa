import { once } from "node:events"
import { createServer } from "node:http"
import { Effect, Exit, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { embeddedPostgres } from "../packages/store-sql/test/EmbeddedPostgres.js"

declare module "vitest" {
  interface ProvidedContext {
    /** Answers a GET request with the URL of the run's PostgreSQL. */
    readonly postgres: string
  }
}

/** One PostgreSQL for the whole run: the one that the environment names, or one that starts when a test first asks for it. */
const setup = async ({ provide }: TestProject) => {
  const scope = Effect.runSync(Scope.make())
  const given = process.env.EVERTOKEN_TEST_POSTGRES_URL
  let url: Promise<string> | undefined
  const open = () =>
    given === undefined || given === "" ? Effect.runPromise(Scope.extend(embeddedPostgres, scope)) : given
  const server = createServer(async (_, response) => {
    url ??= Promise.resolve(open())
    try {
      response.end(await url)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  provide("postgres", `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`)
  return async () => {
    server.close()
    server.closeAllConnections()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export default setup
