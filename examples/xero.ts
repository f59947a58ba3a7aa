import { OAuth2, TokenHttpClient, TokenProvider, TokenSet } from "@evertoken/core"
import { Context, Effect, Layer, Redacted } from "effect"

// An app with several APIs gives each a tag of its own.
export class Xero extends Context.Tag("app/Xero")<Xero, TokenProvider["Type"]>() {
  static readonly layer = Layer.scoped(
    Xero,
    TokenProvider.make({
      key: "xero",
      source: OAuth2.refreshToken({
        tokenEndpoint: "https://identity.xero.com/connect/token",
        clientId: "app",
        clientSecret: Redacted.make("…")
      })
    })
  )
}

// Once, when the login page has sent the person back.
export const connected = (accessToken: string, refreshToken: string) =>
  Effect.flatMap(Xero, (xero) => xero.put(TokenSet.make({ accessToken, refreshToken, expiresIn: "30 minutes" })))

// From then on.
export const invoices = Effect.gen(function* () {
  const http = yield* TokenHttpClient.make({ provider: Xero, origins: ["https://api.xero.com"] })
  return yield* http.get("https://api.xero.com/api.xro/2.0/Invoices")
})
