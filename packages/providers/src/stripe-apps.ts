import type { Provider } from "./Provider.js"

/** Stripe Apps. */
export const stripeApps: Provider = {
  id: "stripe-apps",
  name: "Stripe Apps",
  docs: ["https://docs.stripe.com/stripe-apps/api-authentication/oauth"],
  verified: "2026-11-30",
  notes: [
    "The secret key is the user name of Basic authentication, and there is no password",
    "No answer says how long a token lives: 1 hour is assumed"
  ],
  grants: ["authorization_code"],
  values: { basic: { base64: "{clientSecret}:" } },
  authorize: { url: "https://marketplace.stripe.com/oauth/v2/authorize", pkce: false },
  exchange: {
    url: "https://api.stripe.com/v1/oauth/token",
    headers: { authorization: "Basic {basic}" },
    form: { grant_type: "authorization_code", code: "{code}" }
  },
  refresh: {
    url: "https://api.stripe.com/v1/oauth/token",
    headers: { authorization: "Basic {basic}" },
    form: { grant_type: "refresh_token", refresh_token: "{refreshToken}" }
  },
  answer: { expires: { fixed: "1 hour" }, keep: ["stripe_user_id", "livemode"] }
}
