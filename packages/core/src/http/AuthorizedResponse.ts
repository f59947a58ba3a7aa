import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Stream from "effect/Stream"
import type { TokenCarrier } from "./TokenCarrier.js"
import type { Refusal } from "./UnauthorizedReason.js"

type Hiding = Pick<TokenCarrier, "hide" | "strip">
type Read<A> = Effect.Effect<A, HttpClientError.ResponseError>

/** A response as the caller sees it: all of it, but for the token in its request, which no inspection and no error shows. */
export class TokenResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: typeof HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: typeof HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  /** Why it was handed out although it refuses the token. */
  refusal: Refusal | undefined
  /** How many redirects led to it. */
  redirects = 0
  readonly #original: HttpClientResponse.HttpClientResponse
  readonly #carrier: Hiding
  #body: HttpClientResponse.HttpClientResponse
  #peeked: Response | undefined

  constructor(original: HttpClientResponse.HttpClientResponse, carrier: Hiding) {
    super()
    this.#original = original
    this.#body = original
    this.#carrier = carrier
  }

  get request(): HttpClientRequest.HttpClientRequest {
    return this.#carrier.strip(this.#original.request)
  }
  get status() {
    return this.#original.status
  }
  get headers() {
    return this.#original.headers
  }
  get cookies() {
    return this.#original.cookies
  }
  get remoteAddress() {
    return this.#original.remoteAddress
  }
  get text(): Read<string> {
    return this.#told(this.#body.text)
  }
  get json(): Read<unknown> {
    return this.#told(this.#body.json)
  }
  get urlParamsBody(): Read<UrlParams.UrlParams> {
    return this.#told(this.#body.urlParamsBody)
  }
  get formData(): Read<FormData> {
    return this.#told(this.#body.formData)
  }
  get arrayBuffer(): Read<ArrayBuffer> {
    return this.#told(this.#body.arrayBuffer)
  }
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.mapError(this.#body.stream, (error) => this.#tell(error))
  }

  /** All of the body, where its beginning was read from the original. */
  get peeked(): Response | undefined {
    return this.#peeked
  }

  /** An address without the token. */
  hide(url: string): string {
    return this.#carrier.hide(url)
  }

  /** The response as it came, which may show the token. */
  get original(): HttpClientResponse.HttpClientResponse {
    return this.#original
  }

  /** What of the first 16 KiB of the body comes within a second, as text. The whole of it can still be read. */
  get peek(): Effect.Effect<string> {
    return Effect.suspend(() => {
      const reader = Stream.toReadableStream(this.#body.stream).getReader()
      const chunks: Array<Uint8Array> = []
      let pending: Promise<ReadableStreamReadResult<Uint8Array>> | undefined
      const chunk = Effect.tryPromise(() => {
        pending = reader.read()
        return pending
      })
      const read = Effect.gen(function* () {
        for (let size = 0; size < PREFIX; ) {
          const { value } = yield* chunk
          if (value === undefined) return
          pending = undefined
          chunks.push(value)
          size += value.length
        }
      })
      return read.pipe(
        // Also where whoever asks cannot be interrupted: a body may never go on.
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeoutTo({ duration: "1 second", onSuccess: () => true, onTimeout: () => true }),
        Effect.orElseSucceed(() => chunks.length > 0), // a response without a body fails to be read
        Effect.onInterrupt(() => Effect.sync(() => void reader.cancel().catch(() => undefined))),
        Effect.map((readable) => {
          const { headers } = this
          if (readable) {
            this.#peeked = new Response(joined(chunks, pending, reader), { headers })
            this.#body = HttpClientResponse.fromWeb(this.request, this.#peeked)
          }
          const decoder = new TextDecoder()
          return chunks
            .map((part) => decoder.decode(part, { stream: true }))
            .join("")
            .slice(0, PREFIX)
        })
      )
    })
  }

  /** Releases the connection in a background fiber: a short body is read to its end, a long one is cut off. */
  get discard(): Effect.Effect<void> {
    return this.#body.stream.pipe(
      Stream.take(SHORT),
      Stream.runDrain,
      Effect.timeout("1 second"),
      Effect.ignore,
      Effect.interruptible,
      Effect.forkDaemon,
      Effect.asVoid
    )
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@evertoken/core/TokenResponse",
      request: this.request.toJSON(),
      status: this.status,
      ...(this.refusal === undefined ? {} : { refusal: this.refusal })
    })
  }

  #told<A>(effect: Read<A>): Read<A> {
    return Effect.mapError(effect, (error) => this.#tell(error))
  }

  #tell({ cause, description, reason }: HttpClientError.ResponseError): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason,
      cause,
      ...(description === undefined ? {} : { description })
    })
  }
}

/** `request` without the headers of these names. */
export const withoutHeaders = (
  request: HttpClientRequest.HttpClientRequest,
  names: ReadonlyArray<string>
): HttpClientRequest.HttpClientRequest =>
  Object.assign(HttpClientRequest.setMethod(request, request.method), {
    headers: Headers.remove(request.headers, names)
  })

/** What was read already, then the chunk that is on its way, then the rest. */
const joined = (
  chunks: ReadonlyArray<Uint8Array>,
  pending: Promise<ReadableStreamReadResult<Uint8Array>> | undefined,
  reader: ReadableStreamDefaultReader<Uint8Array>
): ReadableStream<Uint8Array> => {
  let index = 0
  return new ReadableStream({
    async pull(controller) {
      const at = index++
      const next = () => ((at === chunks.length ? pending : undefined) ?? reader.read()).catch(rejectedAsRead)
      const chunk = chunks[at] ?? (await next()).value
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
    cancel: (reason) => reader.cancel(reason)
  })
}

/** What the body itself failed with: the reason of an abort, say. */
const rejectedAsRead = (error: unknown): Promise<never> =>
  Promise.reject(HttpClientError.isHttpClientError(error) ? (error.cause ?? error) : error)

const PREFIX = 16 * 1024
/** In chunks, as they come from the network. */
const SHORT = 4
