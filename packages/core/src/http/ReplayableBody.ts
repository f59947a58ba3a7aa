import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Request from "@effect/platform/HttpClientRequest"
import * as Predicate from "effect/Predicate"

/** Says that the stream in the body of `request` gives the same bytes each time it is run, so it may be sent again. */
export const replayable = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest => {
  const { body } = request
  if (body._tag !== "Stream") return request
  return Request.setBody(request, marked(HttpBody.stream(body.stream, body.contentType, body.contentLength)))
}

/** Marks a body that was made for this. */
export const marked = <A extends HttpBody.Stream | HttpBody.Raw>(body: A): A =>
  Object.assign(body, { [Replayable]: true })

/** Whether sending `body` again sends the same bytes. */
export const canReplay = (body: HttpBody.HttpBody): boolean => {
  switch (body._tag) {
    case "Stream":
      return Predicate.hasProperty(body, Replayable)
    case "Raw":
      return Predicate.hasProperty(body, Replayable) || isReusable(body.body)
    default:
      return true
  }
}

/** Whether a body given to `fetch` can be given to it once more. */
const isReusable = (body: unknown): boolean =>
  Predicate.isNullable(body) ||
  Predicate.isString(body) ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body) ||
  body instanceof Blob ||
  body instanceof FormData ||
  body instanceof URLSearchParams

const Replayable = Symbol.for("@evertoken/core/Replayable")
