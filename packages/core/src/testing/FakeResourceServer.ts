import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { FakeAuthority } from "./FakeAuthority.js"
import { type Answering, type FakeHttpRequest, fakeClient, type NoAnswer } from "./FakeHttp.js"

/** What `FakeResourceServer.make` takes. */
export interface FakeResourceServerOptions {
  /**
   * Whose tokens it takes: those that this fake gave, and that have not ended. Requests to a `FakeAuthorizationServer`
   * are passed on to it. Left out, each token is taken.
   */
  readonly authority?: (Pick<FakeAuthority<never>, "accepts"> & Reachable) | undefined
  /**
   * How it refuses a token: by status 401 (RFC 6750 section 3), by the body of an answer with status 200, or by a
   * redirect to a login page.
   * @default "status"
   */
  readonly refuses?: "status" | "body" | "redirect" | undefined
  /**
   * What it answers to a request whose token it takes, and which number that request has, from 1.
   * @default { "ok": true }
   */
  readonly answer?: ((request: FakeApiRequest, nth: number) => Response | Effect.Effect<Response>) | undefined
}

/** A request as the resource server saw it. */
export interface FakeApiRequest extends FakeHttpRequest {
  /** The header that carries the token. */
  readonly authorization: string | undefined
  /** Whether its token was taken. */
  readonly accepted: boolean
}

/** An API in this process, over `HttpClient`. */
export interface FakeResourceServer {
  /** A client that reaches it, at any address. */
  readonly client: HttpClient.HttpClient
  /** The same as a layer, in the place of `FetchHttpClient.layer`. */
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** Every request so far, the oldest first. */
  readonly log: ReadonlyArray<FakeApiRequest>
  /** What each request carried as `Authorization`. */
  readonly tokens: () => ReadonlyArray<string | undefined>
}

/** Constructors of `FakeResourceServer`. */
export const FakeResourceServer = {
  /**
   * An API with nothing logged.
   *
   * @example
   * ```ts
   * const server = FakeAuthorizationServer.make()
   * const api = FakeResourceServer.make({ authority: server, refuses: "redirect" })
   * // Reaches both; from a test, it is what your program asks with.
   * const client = yield* TokenHttpClient.make({ baseUrl: "https://api.example.com" }).pipe(Effect.provide(api.layer))
   * server.expire() // from now on the API refuses the tokens so far
   * ```
   */
  make: ({ answer = good, authority, refuses = "status" }: FakeResourceServerOptions = {}): FakeResourceServer => {
    const log: Array<FakeApiRequest> = []
    const issuer = authority?.issuer === undefined ? undefined : new URL(authority.issuer).origin
    const refusal = (): Response => {
      if (refuses === "redirect")
        return new Response(null, { status: 302, headers: { location: `${issuer ?? ""}/login` } })
      if (refuses === "body") return Response.json({ error: "invalid_token" })
      return new Response("refused", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })
    }
    const client = fakeClient((request): Effect.Effect<Response, NoAnswer> => {
      if (authority?.answer !== undefined && request.url.origin === issuer) return authority.answer(request)
      const { authorization } = request.headers
      const [, token = ""] = authorization?.split(" ") ?? []
      return Effect.flatMap(authority === undefined ? Effect.succeed(true) : authority.accepts(token), (accepted) => {
        const seen = { ...request, authorization, accepted }
        const nth = log.push(seen)
        const answered = accepted ? answer(seen, nth) : refusal()
        return Effect.isEffect(answered) ? answered : Effect.succeed(answered)
      })
    })
    return {
      client,
      layer: Layer.succeed(HttpClient.HttpClient, client),
      log,
      tokens: () => log.map(({ authorization }) => authorization)
    }
  }
}

/** An authority that is a server. */
interface Reachable {
  readonly issuer?: string
  readonly answer?: Answering
}

const good = () => Response.json({ ok: true })
