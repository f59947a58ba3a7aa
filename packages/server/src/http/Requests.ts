import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Predicate from "effect/Predicate"
import { meant } from "../config/Names.js"
import { nameOf } from "../observability/Log.js"
import { makeAnswers } from "../observability/Metrics.js"
import { headersOf } from "./StatusPage.js"

/**
 * What holds for each request, beyond what `api` says of it: a path is exact, what is not there is 404, a method that
 * a path does not have is 405, and a query is read as it was sent. No refusal repeats what was sent, nobody stores an
 * answer, and each is counted. `pages` are the paths that are served beside `api`.
 */
export const layer = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
  pages: ReadonlyArray<string> = []
) => {
  const { counter, first, methodsOf } = routesOf(api, pages)
  const middleware = HttpApiBuilder.middleware((app) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
      const [path = "", ...rest] = url.replace(/^https?:\/\/[^/?#]*/, "").split("?")
      const finish = HttpApp.appendPreResponseHandler((_, response) =>
        Effect.as(
          Metric.increment(counter(path, method, response.status)),
          HttpServerResponse.setHeaders(response, headersOf(response))
        )
      )
      const refused = refusalOf(methodsOf(path), method, rest.join("?"))
      return Effect.zipRight(
        finish,
        refused === undefined ? Effect.catchAllCause(app, refusal) : Effect.succeed(refused)
      )
    })
  )
  return Layer.mergeAll(
    middleware,
    Layer.effectDiscard(first),
    // The router takes `//` for `/`, in the query as well, and `/V1/TOKEN/` for `/v1/token`, unless it is told not to.
    HttpRouter.setRouterConfig({ ignoreDuplicateSlashes: false, ignoreTrailingSlash: false, caseSensitive: true })
  )
}

/** What a request is refused with that is none of the API. */
const refusalOf = (methods: ReadonlyArray<string> | undefined, method: string, query: string) => {
  if (methods === undefined) return answer(404, "NotFound", "There is nothing at this path")
  if (!methods.includes(method)) {
    const allow = methods.join(", ")
    const refused = answer(405, "MethodNotAllowed", `Here is no such method, only ${allow}`)
    return HttpServerResponse.setHeader(refused, "allow", allow)
  }
  if (isQuery(query)) return undefined
  return answer(400, "BadRequest", "The query is not percent-encoded UTF-8 (RFC 3986 section 2.1)")
}

/** The methods of each path, and the counter of an answer, whose labels hold nothing that a caller made up. */
const routesOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
  pages: ReadonlyArray<string>
) => {
  const counters = makeAnswers()
  const known = new Map<string, Array<string>>()
  const zeros: Array<Effect.Effect<unknown>> = []
  const add = (path: string, method: string, status: number) => {
    known.set(path, [...(known.get(path) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])])
    zeros.push(Metric.value(counters(path, method, status)))
  }
  for (const path of pages) add(path, "GET", 200)
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path }, successes }) => add(path, method, Math.min(...successes.keys()))
  })
  const counter = (path: string, method: string, status: number) => {
    const methods = known.get(path)
    const route = methods === undefined ? "other" : path
    return counters(route, methods?.includes(method) === true ? method : "other", status)
  }
  return { counter, first: Effect.all(zeros, { discard: true }), methodsOf: (path: string) => known.get(path) }
}

/** The parameters that a query may have, at any path. */
const PARAMETERS = ["key", "minValidity", "rejected", "after", "limit", "health"]

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
