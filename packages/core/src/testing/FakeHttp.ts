import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A request as a fake server saw it. */
export interface FakeHttpRequest {
  readonly method: string
  readonly url: URL
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body as text; the fields of a `FormData` as JSON. */
  readonly body: string
}

/** Why nothing came back: the connection was refused before anything was sent, or lost once all was done. */
export type NoAnswer = "ECONNREFUSED" | "ECONNRESET"

/** What a server in this process answers to a request. */
export type Answering = (request: FakeHttpRequest) => Effect.Effect<Response, NoAnswer>

/** A client of servers that live in this process, whom it never leaves. */
export const fakeClient = (answer: Answering): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    textOf(request).pipe(
      Effect.flatMap((body) => answer({ method: request.method, url, headers: request.headers, body })),
      Effect.mapBoth({
        onSuccess: (response) => HttpClientResponse.fromWeb(request, response),
        onFailure: (code) => new HttpClientError.RequestError({ request, reason: "Transport", cause: { code } })
      })
    )
  )

const textOf = ({ body }: HttpClientRequest.HttpClientRequest): Effect.Effect<string> => {
  switch (body._tag) {
    case "Uint8Array":
      return Effect.succeed(new TextDecoder().decode(body.body))
    case "Stream":
      return Effect.orDie(Stream.mkString(Stream.decodeText(body.stream)))
    case "FormData":
      return Effect.succeed(JSON.stringify([...body.formData]))
    case "Raw": {
      const raw = body.body
      return isBody(raw) ? Effect.promise(() => new Response(raw).text()) : Effect.succeed(`${raw}`)
    }
    default:
      return Effect.succeed("")
  }
}

const isBody = (value: unknown): value is Blob | ReadableStream | ArrayBuffer =>
  value instanceof Blob || value instanceof ReadableStream || value instanceof ArrayBuffer
