import { createServer } from "node:http"
import {
  Headers,
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { type Authority, clients } from "@evertoken/authority"
import { Effect, Option, Redacted, Schema, type Scope } from "effect"

/** Starts an API that asks the authorization server about every token it is shown, and gives its address. */
export const startApi = (
  authority: Authority["Type"]
): Effect.Effect<string, unknown, Scope.Scope | HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const http = yield* HttpClient.HttpClient
    const introspect = (token: string) =>
      HttpClientRequest.post(authority.introspectionEndpoint).pipe(
        HttpClientRequest.basicAuth(clients.api.clientId, Redacted.value(clients.api.clientSecret)),
        HttpClientRequest.bodyUrlParams({ token }),
        http.execute,
        Effect.flatMap(HttpClientResponse.schemaBodyJson(Introspection))
      )
    const server = yield* NodeHttpServer.make(createServer, { host: "127.0.0.1", port: 0 })
    yield* server.serve(
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const token = Headers.get(request.headers, "authorization").pipe(
          Option.filter((header) => header.startsWith("Bearer ")),
          Option.map((header) => header.slice("Bearer ".length))
        )
        const active = Option.isSome(token) && (yield* introspect(token.value)).active
        return active
          ? yield* HttpServerResponse.json({ invoices: ["2026-001", "2026-002"] })
          : HttpServerResponse.empty({ status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })
      }).pipe(Effect.catchAll(() => HttpServerResponse.empty({ status: 500 })))
    )
    return HttpServer.formatAddress(server.address)
  })

const Introspection = Schema.Struct({ active: Schema.Boolean })
