import type { HttpClient } from "@effect/platform"
import { FakeResourceServer } from "@evertoken/core/testing"
import type { Layer } from "effect"

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
  FakeResourceServer.make({
    answer: ({ body: text, headers, method, url }) => {
      const form = Object.fromEntries(new URLSearchParams(text))
      const seen = { method, url: url.href, headers, text, form }
      sent.push(seen)
      return answer(seen)
    }
  }).layer
