import { HttpClient, HttpClientResponse } from "@effect/platform"
import { Effect, Layer } from "effect"

/** One request, as the network saw it. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
  readonly form: Readonly<Record<string, string>>
}

/** A network that answers each request by `answer`, and keeps in `sent` what it saw. */
export const answering = (sent: Array<Sent>, answer: (request: Sent) => Response): Layer.Layer<HttpClient.HttpClient> =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, { href }) => {
      const text = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const form = Object.fromEntries(new URLSearchParams(text))
      const seen = { method: request.method, url: href, headers: request.headers, text, form }
      sent.push(seen)
      return Effect.succeed(HttpClientResponse.fromWeb(request, answer(seen)))
    })
  )
