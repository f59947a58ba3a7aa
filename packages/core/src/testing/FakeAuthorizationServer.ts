// Longer than 200 lines: one server with all its endpoints.

import * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { DurationOption } from "../model/Options.js"
import type { Endpoints } from "../oauth2/Discovery.js"
import {
  type FakeAuthority,
  type FakeDelay,
  type FakeRequest,
  type FakeTokenOptions,
  makeAuthority
} from "./FakeAuthority.js"
import { clientOf, isKnown } from "./FakeClients.js"
import { answerTokenRequest, type FakeLogin } from "./FakeGrantTypes.js"
import { type Answering, type FakeHttpRequest, fakeClient, type NoAnswer } from "./FakeHttp.js"

/** What `FakeAuthorizationServer.make` takes. */
export interface FakeAuthorizationServerOptions extends FakeTokenOptions {
  /**
   * Its address, which its endpoints are below of.
   * @default "https://auth.example.com"
   */
  readonly issuer?: string | undefined
  /** The secrets of its clients by their ids; undefined for one without. Left out, any client is taken at its word. */
  readonly clients?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * For how long a refresh token is taken again after its first use.
   * @default "0 seconds"
   */
  readonly replayWindow?: DurationOption | undefined
}

/** What one token request comes to, where that is not an answer at once. */
export interface FakeAnswer extends FakeDelay {
  /** Nothing is sent: nobody listens there. */
  readonly unreachable?: boolean | undefined
  /** It is answered with this status, and nothing is done. With `lost`, all is done, and this comes instead of tokens. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The body of the answer. Without a `status` all is done, and this comes instead of tokens: malformed JSON, a page. */
  readonly body?: string | undefined
}

/** An authorization server in this process, over `HttpClient`; its addresses have the names of the options of `OAuth2`. */
export interface FakeAuthorizationServer
  extends FakeAuthority<FakeAnswer>,
    Required<Omit<Endpoints, "issuerInCallback">> {
  /** What it answers to a request: for a test whose HTTP is not that of Effect. */
  readonly answer: Answering
  /** A client that reaches it, and nothing else. */
  readonly client: HttpClient.HttpClient
  /** The same as a layer, in the place of `FetchHttpClient.layer`. */
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** A person opens the login page at this address and agrees, or does not: where their browser is sent then. */
  readonly visit: (loginPage: string, agrees?: boolean) => string
  /** A person enters the code that a device shows and agrees, or does not. */
  readonly enter: (userCode: string, agrees?: boolean) => void
}

/** Constructors of `FakeAuthorizationServer`. */
export const FakeAuthorizationServer = {
  /**
   * A server with nothing logged. It grants client credentials, authorization codes with PKCE, device codes, token
   * exchanges, assertions (whose signatures it does not look at) and refresh tokens, revokes (RFC 7009), and says so in
   * its metadata. Its script is about token requests; what it logs is these and revocations.
   *
   * @example
   * ```ts
   * const server = FakeAuthorizationServer.make({ clients: { billing: "secret" } })
   * const source = OAuth2.clientCredentials({
   *   tokenEndpoint: server.tokenEndpoint,
   *   clientId: "billing",
   *   clientSecret: Redacted.make("secret")
   * })
   * const provider = yield* TokenProvider.make({ key: "mine", source }).pipe(Effect.provide(server.layer))
   * server.next({ status: 503 }, { lost: true }, { body: "<html>" })
   * ```
   */
  make: (options: FakeAuthorizationServerOptions = {}): FakeAuthorizationServer => {
    const { issuer = "https://auth.example.com", clients } = options
    const window = Duration.toMillis(options.replayWindow ?? "0 seconds")
    const { authority, grants, serve, take, tokensOf } = makeAuthority<FakeAnswer>(options, window)
    const endpoints = {
      issuer,
      tokenEndpoint: `${issuer}/token`,
      revocationEndpoint: `${issuer}/revoke`,
      authorizationEndpoint: `${issuer}/authorize`,
      deviceAuthorizationEndpoint: `${issuer}/device`
    }
    const logins = new Map<string, FakeLogin>()
    const start = (client: string, more: Partial<FakeLogin>) => {
      const nth = logins.size + 1
      const login = { code: `code-${nth}`, userCode: `USER-${nth}`, client, used: false, ...EMPTY, ...more }
      logins.set(login.code, login)
      return login
    }

    const answerTokens = (request: FakeHttpRequest, form: URLSearchParams, client: string) =>
      Effect.suspend(() => {
        const { body, headers, status, unreachable, ...delay } = take() ?? {}
        const asks = form.get("grant_type") ?? ""
        const by = asks === "refresh_token" ? "refresh" : "login"
        const told = { by, presented: form.get("refresh_token") ?? undefined, asks, client } as const
        const scripted = {
          outcome: `${status ?? "malformed"}`,
          response: () => new Response(body, { status: status ?? 200, headers: headers ?? {} })
        }
        const isBound = request.headers.dpop !== undefined
        const granted = Effect.map(
          clients === undefined || isKnown(clients, client, request, form)
            ? answerTokenRequest({ form, client, isBound, logins, grants, tokensOf })
            : Effect.succeed({ error: "invalid_client" }),
          (answer): Said => {
            if (status !== undefined || body !== undefined) return scripted
            const { error } = answer
            const code = error === "invalid_client" ? 401 : error === undefined ? 200 : 400
            return { outcome: `${error ?? "ok"}`, response: () => Response.json(answer, { status: code }) }
          }
        )
        const isLost = delay.lost === true
        const work = status !== undefined && !isLost ? Effect.succeed(scripted) : granted
        const sent = unreachable === true ? Effect.fail("ECONNREFUSED" as const) : work
        // With a status, the tokens alone are lost.
        return respond(told, { ...delay, lost: isLost && status === undefined }, sent)
      })

    const revoke = (form: URLSearchParams, client: string) => {
      const token = form.get("token") ?? ""
      const [access, refresh] = [grants.accessTokens.get(token), grants.refreshTokens.get(token)]
      const ends = Effect.sync((): Said => {
        if (access !== undefined) access.revoked = true
        if (refresh !== undefined) grants.revoke(refresh.family)
        return { outcome: "ok", response: () => new Response() }
      })
      return respond({ by: "revoke", presented: refresh?.value, asks: "revocation", client }, {}, ends)
    }

    const respond = (told: Omit<FakeRequest, "outcome">, step: FakeDelay, work: Effect.Effect<Said, NoAnswer>) =>
      Effect.map(serve<Said, NoAnswer>(told, step, work, "ECONNRESET", outcomeOf), ({ response }) => response())

    const answer: Answering = (request) => {
      const { origin, pathname } = request.url
      const form = new URLSearchParams(request.body)
      const client = clientOf(request, form)
      switch (origin + pathname) {
        case endpoints.tokenEndpoint:
          return answerTokens(request, form, client)
        case endpoints.revocationEndpoint:
          return revoke(form, client)
        case endpoints.deviceAuthorizationEndpoint:
          return Effect.sync(() => {
            const { code, userCode } = start(client, {})
            const verification_uri = `${issuer}/enter`
            return Response.json({
              device_code: code,
              user_code: userCode,
              verification_uri,
              expires_in: 600,
              interval: 5
            })
          })
        case `${issuer}/.well-known/openid-configuration`:
        case `${issuer}/.well-known/oauth-authorization-server`:
          return Effect.sync(() => Response.json(metadata(endpoints)))
        default:
          return origin === new URL(issuer).origin
            ? Effect.sync(() => new Response("nothing is here", { status: 404 }))
            : Effect.fail("ECONNREFUSED")
      }
    }
    const client = fakeClient(answer)

    return {
      ...authority,
      ...endpoints,
      answer,
      client,
      layer: Layer.succeed(HttpClient.HttpClient, client),
      visit: (loginPage, agrees = true) => {
        const asked = Object.fromEntries(new URL(loginPage).searchParams)
        const { client_id = "", code_challenge: challenge, redirect_uri: redirectUri = "", state = "" } = asked
        const { code } = start(client_id, { redirectUri, challenge, agrees })
        const answer = agrees ? { code } : { error: "access_denied" }
        return `${redirectUri}?${new URLSearchParams({ ...answer, state, iss: issuer })}`
      },
      enter: (userCode, agrees = true) => {
        for (const login of logins.values()) if (login.userCode === userCode) login.agrees = agrees
      }
    }
  }
}

/** What an answer is noted as, and the answer. */
interface Said {
  readonly outcome: string
  readonly response: () => Response
}

const EMPTY = { redirectUri: undefined, challenge: undefined, agrees: undefined }

const outcomeOf = (exit: Exit.Exit<Said, NoAnswer>): string =>
  Exit.match(exit, { onSuccess: ({ outcome }) => outcome, onFailure: () => "unreachable" })

const metadata = (endpoints: Required<Omit<Endpoints, "issuerInCallback">>) => ({
  issuer: endpoints.issuer,
  token_endpoint: endpoints.tokenEndpoint,
  revocation_endpoint: endpoints.revocationEndpoint,
  authorization_endpoint: endpoints.authorizationEndpoint,
  device_authorization_endpoint: endpoints.deviceAuthorizationEndpoint,
  authorization_response_iss_parameter_supported: true,
  code_challenge_methods_supported: ["S256"]
})
