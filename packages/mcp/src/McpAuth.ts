/// <reference lib="esnext.disposable" preserve="true" />
import type * as HttpClient from "@effect/platform/HttpClient"
import {
  type DurationOption,
  type InvalidOption,
  type RefreshPolicy,
  TokenClient,
  TokenStore,
  TokenStoreError
} from "@evertoken/core"
import { type Checks, duration, endpoint, func, kind, must, problemOf, required, text } from "@evertoken/core/options"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { grantSource } from "./GrantSource.js"
import { type Callback, makeLoginProvider } from "./LoginProvider.js"
import { makeLoginStore } from "./LoginStore.js"
import { mcpFetch } from "./McpFetch.js"
import type { ClientInformation, Login, OAuthClientProvider } from "./OAuthClientProvider.js"

/**
 * The login of one person at one MCP server, which any number of processes share. It is what a transport of the SDKs takes
 * as its options: `new StreamableHTTPClientTransport(url, auth)`.
 */
export interface McpAuth {
  /** What the SDK logs in by. It gives no refresh token away, and what it saves goes to the store. */
  readonly authProvider: OAuthClientProvider
  /** What the transport sends by: a request that is refused is repaired and made again before the SDK hears of it. */
  readonly fetch: typeof globalThis.fetch
  /** The tokens, for all else: `status`, `forget` to log out, `onEvent`. */
  readonly tokens: TokenClient
  /**
   * What the address that the browser came back to holds for the transport's `finishAuth`, once its `state` was found among
   * the logins that this or another process began. Rejects with `LoginFailed`.
   */
  readonly callback: (address: string | URL) => Promise<Callback>
  /** Ends everything; a refresh in flight is finished first. */
  readonly dispose: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** What `McpAuth.make` takes. */
export interface McpAuthOptions<E = never, E2 = never> {
  /** Names the login: one person at one MCP server. What the logins need is kept beside it, under this key and `#mcp`. */
  readonly key: string
  /** The MCP server, as the transport has it. Tokens go to its origin only. */
  readonly serverUrl: string | URL
  /** Where tokens and what logins need are kept. */
  readonly store: Layer.Layer<TokenStore, E>
  /** How the person logs in; a provider that an application has already will do. */
  readonly login: Login
  /** The client, where it was registered by hand. Left out, the SDK registers one. */
  readonly client?: ClientInformation | undefined
  readonly policy?: RefreshPolicy | undefined
  /**
   * For how long the authorization server takes a refresh token again after its first use. With it, the answer that a
   * killed process did not live to save is asked for again.
   * @default "0 seconds"
   */
  readonly replayWindow?: DurationOption | undefined
  /**
   * What tokens are refreshed by.
   * @default FetchHttpClient.layer
   */
  readonly http?: Layer.Layer<HttpClient.HttpClient, E2> | undefined
  /**
   * What `fetch` is made of.
   * @default globalThis.fetch, as it is when called
   */
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** Constructors of `McpAuth`. */
export const McpAuth = {
  /**
   * The login of one person at one MCP server. Nothing is opened or asked for before it is needed.
   *
   * @example
   * ```ts
   * const auth = McpAuth.make({
   *   key: "example:alice",
   *   serverUrl: "https://mcp.example.com/mcp",
   *   store: MemoryTokenStore.layer,
   *   login: {
   *     redirectUrl: "http://127.0.0.1:8090/callback",
   *     clientMetadata: { client_name: "My agent", redirect_uris: ["http://127.0.0.1:8090/callback"] },
   *     redirectToAuthorization: (page) => console.log(`Log in at ${page}`)
   *   }
   * })
   * // new StreamableHTTPClientTransport(new URL("https://mcp.example.com/mcp"), auth)
   * ```
   */
  make: <E = never, E2 = never>(options: McpAuthOptions<E, E2>): McpAuth => {
    must(problemOf(options, mcpAuthChecks))
    const { client, http, key, login, policy } = options
    const serverUrl = String(options.serverUrl)
    let store: TokenStore["Type"] | undefined
    const logins = makeLoginStore(
      key,
      Effect.suspend(() => Effect.mapError(Effect.fromNullable(store), () => closed(key)))
    )
    const kept = Layer.tap(options.store, (context) =>
      Effect.sync(() => {
        store = Context.get(context, TokenStore)
      })
    )
    const tokens = TokenClient.make<InvalidOption, E | E2>({
      ...{ key, policy, fetch: options.fetch, origins: [new URL(serverUrl).origin] },
      source: grantSource(logins, client, options.replayWindow),
      store: kept,
      ...(http === undefined ? {} : { http })
    })
    /** The store is built with the token client, at first use. */
    const run = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
      if (store === undefined) await tokens.status()
      const exit = await Effect.runPromiseExit(effect)
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
      return exit.value
    }
    const refused = { spent: false }
    const { callback, provider } = makeLoginProvider({ key, tokens, logins, login, client, run, refused })
    return {
      authProvider: provider,
      fetch: mcpFetch(tokens, serverUrl, refused, () => options.fetch ?? globalThis.fetch),
      tokens,
      callback: async (address) => callback(new URL(address, login.redirectUrl).searchParams),
      dispose: tokens.dispose,
      [Symbol.asyncDispose]: tokens.dispose
    }
  }
}

const closed = (key: string) => new TokenStoreError({ reason: "unreachable", key, detail: "it is not open" })

const LOGIN = "{ redirectUrl, clientMetadata, redirectToAuthorization }, or an OAuthClientProvider of your own"

/** What each option has to be; `policy` is checked with the token client. */
const mcpAuthChecks = {
  key: required(text('the name of the login, such as "linear:alice"')),
  serverUrl: required((value, option) => endpoint(value instanceof URL ? value.href : value, option)),
  store: required(kind("a layer, such as MemoryTokenStore.layer", Layer.isLayer)),
  login: required(
    kind(
      LOGIN,
      (value) =>
        Predicate.hasProperty(value, "redirectUrl") &&
        (Predicate.isString(value.redirectUrl) || value.redirectUrl instanceof URL) &&
        Predicate.hasProperty(value, "clientMetadata") &&
        Predicate.isRecord(value.clientMetadata) &&
        Predicate.hasProperty(value, "redirectToAuthorization") &&
        Predicate.isFunction(value.redirectToAuthorization)
    )
  ),
  client: kind(
    'the registered client, such as { client_id: "…", client_secret: "…" }',
    (value) =>
      Predicate.hasProperty(value, "client_id") && Predicate.isString(value.client_id) && value.client_id !== ""
  ),
  policy: () => undefined,
  replayWindow: duration,
  http: kind("a layer, such as FetchHttpClient.layer", Layer.isLayer),
  fetch: func("a function like globalThis.fetch")
} satisfies Checks<McpAuthOptions>
