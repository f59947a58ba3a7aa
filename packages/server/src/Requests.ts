import { HttpApi, HttpApiBuilder, HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Effect, Layer, Predicate } from "effect"
import { Api } from "./Api.js"
import { nameOf } from "./Log.js"
import { meant } from "./Names.js"
import { headersOf } from "./StatusPage.js"

/**
 * What holds for each request, beyond what the API says of it: a path is exact, what is not there is 404, a method that
 * a path does not have is 405, and a query is read as it was sent. No refusal repeats what was sent, nobody stores an
 * answer.
 */
export const layer = Layer.mergeAll(
  HttpApiBuilder.middleware(Api, (app) =>
    Effect.zipRight(
      HttpApp.appendPreResponseHandler((_, response) =>
        Effect.succeed(HttpServerResponse.setHeaders(response, headersOf(response)))
      ),
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
        const [path = "", ...rest] = url.replace(/^https?:\/\/[^/?#]*/, "").split("?")
        const methods = METHODS.get(path)
        if (methods === undefined) return Effect.succeed(answer(404, "NotFound", "There is nothing here; see /docs"))
        if (!methods.includes(method)) {
          const allow = methods.join(", ")
          const refused = answer(405, "MethodNotAllowed", `Here is no such method, only ${allow}`)
          return Effect.succeed(HttpServerResponse.setHeader(refused, "allow", allow))
        }
        if (!isQuery(rest.join("?"))) {
          return Effect.succeed(
            answer(400, "BadRequest", "The query is not percent-encoded UTF-8 (RFC 3986 section 2.1)")
          )
        }
        return Effect.catchAllCause(app, refusal)
      })
    )
  ),
  // The router takes `//` for `/`, in the query as well, and `/V1/TOKEN/` for `/v1/token`, unless it is told not to.
  HttpRouter.setRouterConfig({ ignoreDuplicateSlashes: false, ignoreTrailingSlash: false, caseSensitive: true })
)

/** The methods of each path. */
const METHODS = new Map<string, Array<string>>([
  ["/docs", ["GET", "HEAD"]],
  ["/openapi.json", ["GET", "HEAD"]]
])
/** The parameters that a query may have, at any path. */
const PARAMETERS = ["key", "minValidity", "rejected", "after", "limit", "health"]

HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint: { method, path } }) => {
    METHODS.set(path, [...(METHODS.get(path) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])])
  }
})

/** Whether each part of the query says in one way only what it stands for. */
const isQuery = (query: string): boolean => {
  if (/[^\x21-\x7e]|#/.test(query)) return false
  try {
    decodeURIComponent(query)
    return true
  } catch {
    return false
  }
}

/** What a failure is to the caller, where it is none of the API's own: nothing that was sent is in it. */
const refusal = <E>(cause: Cause.Cause<E>): Effect.Effect<HttpServerResponse.HttpServerResponse, E> => {
  if (Cause.isInterrupted(cause)) return Effect.failCause(cause)
  const error = Cause.squash(cause)
  if (isDecodeError(error)) return Effect.succeed(answer(400, "BadRequest", wrong(error)))
  if (Cause.isFailure(cause)) return Effect.failCause(cause)
  return Effect.as(
    Effect.logError(`A request failed: ${nameOf(error)}`),
    answer(500, "Failed", "The request could not be served; the log names the cause")
  )
}

/** Names the parameter, if it is one of ours, and nothing of what was sent for it. */
const wrong = ({ issues }: DecodeError): string => {
  const [issue] = issues
  const name = String(issue?.path[0] ?? "")
  if (!PARAMETERS.includes(name)) return `The query has a parameter that is not known: ${meant(name, PARAMETERS)}`
  return `The parameter "${name}" is missing, given twice, or not as /docs describes it`
}

interface DecodeError {
  readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey> }>
}

const isDecodeError = (error: unknown): error is DecodeError => Predicate.isTagged(error, "HttpApiDecodeError")

const answer = (status: number, _tag: string, message: string) =>
  HttpServerResponse.unsafeJson({ _tag, message }, { status })
