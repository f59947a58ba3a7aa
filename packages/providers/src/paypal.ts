import type { Provider } from "./Provider.js"

/** PayPal. */
export const paypal: Provider = {
  id: "paypal",
  name: "PayPal",
  docs: ["https://developer.paypal.com/api/rest/authentication/"],
  verified: "2026-11-30",
  notes: ["Each renewal is a login; tokens are long"],
  grants: ["client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://api-m.paypal.com/v1/oauth2/token" },
  api: { url: "https://api-m.paypal.com" }
}
