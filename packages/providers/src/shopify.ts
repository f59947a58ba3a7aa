import type { Provider } from "./Provider.js"

/** Shopify. */
export const shopify: Provider = {
  id: "shopify",
  name: "Shopify",
  docs: [
    "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens",
    "https://shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens"
  ],
  verified: "2026-11-30",
  notes: [
    "Offline tokens that end: asked for by `expiring`",
    "A used refresh token works until the new one is used, for 30 days at most",
    "The header of the API is `X-Shopify-Access-Token`"
  ],
  tenant: { shop: "[a-z0-9][a-z0-9-]*" },
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://{shop}.myshopify.com/admin/oauth/access_token" },
  authorize: { url: "https://{shop}.myshopify.com/admin/oauth/authorize", scopeSeparator: ",", pkce: false },
  exchange: {
    url: "https://{shop}.myshopify.com/admin/oauth/access_token",
    form: { code: "{code}", expiring: "1" }
  },
  answer: { expires: [{ seconds: "expires_in" }, { fixed: "1 hour" }] },
  traits: { replayWindow: "30 days", keepAlive: "30 days" },
  api: { url: "https://{shop}.myshopify.com", header: "X-Shopify-Access-Token" }
}
