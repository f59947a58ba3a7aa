import { inspect } from "node:util"
import { HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { TokenHttpClient, type TokenHttpClientOptions, type TokenSetOptions } from "@evertoken/core"
import { Cause, Effect, Exit, Logger, LogLevel, Redacted } from "effect"
import { exportJWK, generateKeyPair } from "jose"
import { fakeApi, fakeProvider, origin } from "./api.js"
import { watchedSpans } from "./support/Spans.js"

const canary = "canary-8f3b"

describe("P11: no token is seen", () => {
  const answers: Readonly<Record<string, () => Response>> = {
    "a success": () => Response.json({ a: 1 }),
    "a refusal": () => new Response("no", { status: 401 }),
    "a body that is no JSON": () => new Response("<html>"),
    "a failed request": () => {
      throw new TypeError("fetch failed")
    }
  }
  const kinds: Readonly<
    Record<string, { options?: Partial<Omit<TokenHttpClientOptions, "provider">>; tokens?: Partial<TokenSetOptions> }>
  > = {
    "a bearer token": {},
    "a token in a header of its own": { options: { header: "X-Access" } },
    "a token in the address": { options: { query: "access_token" } },
    "a body that is looked at": { options: { rejected: ({ body }) => body() === "never" } },
    "a bound token": { tokens: { tokenType: "DPoP" } }
  }
  for (const [kind, { options, tokens }] of Object.entries(kinds)) {
    for (const [what, answer] of Object.entries(answers)) {
      it.scoped(`in what comes of ${what}, with ${kind}`, () =>
        Effect.gen(function* () {
          const shown: Array<string> = []
          const show = (value: unknown) => void shown.push(text(value))
          const api = fakeApi(answer)
          const proofKey = tokens && (yield* key)
          const { provider } = yield* fakeProvider((count) => ({
            accessToken: `${canary}-${count}`,
            proofKey,
            ...tokens
          }))
          const http = yield* TokenHttpClient.make({
            origins: [origin],
            provider: Effect.succeed(provider),
            ...options
          }).pipe(Effect.provideService(HttpClient.HttpClient, telling(api.client)))

          const exit = yield* http.get(`${origin}/a?q=1`).pipe(
            Effect.tap((response) => Effect.sync(() => show(response))),
            Effect.tap((response) => Effect.logDebug(response, response.request)),
            Effect.flatMap((response) => response.json),
            Effect.tapErrorCause((cause) => Effect.logError("failed", cause)),
            Effect.exit,
            Effect.withSpan("test"),
            Effect.withTracer(yield* watching(show)),
            Effect.provide(Logger.replace(Logger.defaultLogger, logging(show))),
            Logger.withMinimumLogLevel(LogLevel.All)
          )
          show(exit)
          if (Exit.isFailure(exit)) {
            show(Cause.pretty(exit.cause))
            show(Cause.squash(exit.cause))
          }
          assert.include(text(api.seen.map(({ headers, url }) => [{ ...headers }, url.href])), `${canary}-1`)
          assert.include(shown.join("\n"), "http.client GET")
          assert.notInclude(shown.join("\n"), canary)
          for (const { headers } of api.seen) {
            if (headers.dpop !== undefined) assert.notInclude(shown.join("\n"), headers.dpop)
          }
        })
      )
    }
  }
})

/** A client whose defects are errors that show the request as it was sent. */
const telling = (client: HttpClient.HttpClient) =>
  HttpClient.transform(client, (sent, request) =>
    Effect.catchAllDefect(sent, (cause) =>
      Effect.fail(
        new HttpClientError.RequestError({
          request: HttpClientRequest.setHeaders(request, { "x-seen": "1" }),
          reason: "Transport",
          cause
        })
      )
    )
  )

const watching = (show: (value: unknown) => void) =>
  watchedSpans((name, attributes) => {
    show(name)
    show([...attributes])
  })

const logging = (show: (value: unknown) => void) =>
  Logger.make((options) => {
    for (const logger of [Logger.stringLogger, Logger.logfmtLogger, Logger.jsonLogger]) show(logger.log(options))
    show(Logger.structuredLogger.log(options))
  })

const key = Effect.promise(async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true })
  return Redacted.make(JSON.stringify(await exportJWK(privateKey)))
})

const text = (value: unknown) =>
  [String(value), JSON.stringify(value), inspect(value, { depth: 12, showHidden: true })].join("\n")
