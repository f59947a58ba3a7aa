import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { PeerCertificate, TLSSocket } from "node:tls"
import { NodeHttpClient, Undici } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { OAuth2, TokenHttpClient, TokenProvider } from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect, Layer } from "effect"

const isHere = spawnSync("openssl", ["version"]).status === 0

const missing = isHere ? "" : ", not run: there is no openssl here"

describe.skipIf(!isHere)(`a client that proves itself by a certificate (RFC 8705)${missing}`, () => {
  const certified = ({ ca, cert, key }: Certificates) => ({
    "an agent of Node": NodeHttpClient.layerWithoutAgent.pipe(
      Layer.provide(NodeHttpClient.makeAgentLayer({ ca, cert, key }))
    ),
    "a dispatcher of undici": NodeHttpClient.layerUndiciWithoutDispatcher.pipe(
      Layer.provide(
        Layer.scoped(
          NodeHttpClient.Dispatcher,
          Effect.acquireRelease(
            Effect.sync(() => new Undici.Agent({ connect: { ca, cert, key } })),
            (agent) => Effect.promise(() => agent.close())
          )
        )
      )
    )
  })

  for (const name of ["an agent of Node", "a dispatcher of undici"] as const) {
    it.scopedLive(`gets its token and reaches its API by ${name}`, () =>
      Effect.gen(function* () {
        const { certificates, origin, seen } = yield* server
        const http = certified(certificates)[name]
        const text = yield* ask(origin).pipe(Effect.provide(http))
        assert.strictEqual(text, "hello")
        assert.deepStrictEqual(seen, [
          ["/token", "app", "client_id=app&grant_type=client_credentials"],
          ["/api", "app", "Bearer at-1"]
        ])
      })
    )
  }

  it.scopedLive("gets none without it, and learns that nothing was sent", () =>
    Effect.gen(function* () {
      const { certificates, origin, seen } = yield* server
      const without = NodeHttpClient.layerWithoutAgent.pipe(
        Layer.provide(NodeHttpClient.makeAgentLayer({ ca: certificates.ca }))
      )
      const { login } = yield* Effect.provide(sourceOf(origin), without)
      const asked = yield* Effect.either(login ?? Effect.dieMessage("no login"))
      const told = asked._tag === "Left" && asked.left._tag === "TokenEndpointError" ? asked.left.reason : asked._tag
      assert.deepStrictEqual([told, seen], ["unreachable", []])
    })
  )
})

const sourceOf = (origin: string) =>
  OAuth2.clientCredentials({ tokenEndpoint: `${origin}/token`, clientId: "app", clientAuthentication: "none" })

/** One call with a token of this server. */
const ask = (origin: string) =>
  Effect.gen(function* () {
    const provider = yield* TokenProvider.make({ key: "k", source: sourceOf(origin) })
    const client = yield* TokenHttpClient.make({ baseUrl: origin, provider: Effect.succeed(provider) })
    return yield* (yield* client.get("/api")).text
  }).pipe(Effect.provide(MemoryTokenStore.layer), Effect.scoped)

interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** A server that asks each client for a certificate, and keeps who asked for what. */
const server = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "evertoken-tls-"))
    const openssl = (...options: ReadonlyArray<string>) =>
      execFileSync("openssl", options, { cwd: folder, stdio: ["ignore", "ignore", "ignore"] })
    const read = (file: string) => readFileSync(join(folder, file), "utf8")
    const signed = (name: string, ...more: ReadonlyArray<string>) =>
      openssl(
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`, ...more]
      )
    signed("ca")
    signed("localhost", "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost")
    signed("app", "-CA", "ca.crt", "-CAkey", "ca.key")
    const seen: Array<ReadonlyArray<string | undefined>> = []
    const [ca, cert, key] = [read("ca.crt"), read("localhost.crt"), read("localhost.key")]
    const listening = createServer(
      { ca, cert, key, requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        let body = ""
        request.on("data", (chunk) => {
          body += chunk
        })
        request.on("end", () => {
          const socket = request.socket as TLSSocket
          const { subject }: Partial<PeerCertificate> = socket.getPeerCertificate()
          seen.push([
            request.url,
            `${subject?.CN}`,
            body === ""
              ? request.headers.authorization
              : [...new URLSearchParams(body)]
                  .sort()
                  .map((pair) => pair.join("="))
                  .join("&")
          ])
          response.setHeader("content-type", "application/json")
          response.end(request.url === "/token" ? JSON.stringify({ access_token: "at-1", expires_in: 3600 }) : "hello")
        })
      }
    )
    await new Promise<void>((resolve) => listening.listen(0, "localhost", resolve))
    const { port } = listening.address() as AddressInfo
    return {
      certificates: { ca, cert: read("app.crt"), key: read("app.key") },
      ...{ folder, listening, seen, origin: `https://localhost:${port}` }
    }
  }),
  ({ folder, listening }) =>
    Effect.promise(async () => {
      listening.closeAllConnections()
      await new Promise((resolve) => listening.close(resolve))
      rmSync(folder, { recursive: true })
    })
)
