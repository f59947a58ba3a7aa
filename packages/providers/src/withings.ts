import type { Provider } from "./Provider.js"

/** Withings. */
export const withings: Provider = {
  id: "withings",
  name: "Withings",
  docs: [
    "https://developer.withings.com/developer-guide/v3/integration-guide/public-health-data-api/get-access/access-and-refresh-tokens"
  ],
  verified: "2026-11-30",
  notes: [
    "Answers are nested in `body`; errors come with 200 and a `status` that is not 0",
    "A used refresh token works for 8 hours, or until the new access token is used"
  ],
  grants: ["authorization_code"],
  authorize: { url: "https://account.withings.com/oauth2_user/authorize2", scopeSeparator: ",", pkce: false },
  exchange: {
    url: "https://wbsapi.withings.net/v2/oauth2",
    form: {
      action: "requesttoken",
      grant_type: "authorization_code",
      client_id: "{clientId}",
      client_secret: "{clientSecret}",
      code: "{code}",
      redirect_uri: "{redirectUri}"
    }
  },
  refresh: {
    url: "https://wbsapi.withings.net/v2/oauth2",
    form: {
      action: "requesttoken",
      grant_type: "refresh_token",
      client_id: "{clientId}",
      client_secret: "{clientSecret}",
      refresh_token: "{refreshToken}"
    }
  },
  answer: {
    accessToken: "body.access_token",
    refreshToken: "body.refresh_token",
    scope: "body.scope",
    expires: { seconds: "body.expires_in" },
    keep: ["body.userid"]
  },
  errors: { success: { at: "status", is: [0] }, code: "status", meanings: { "401": "refused", "601": "throttled" } },
  traits: { refreshTokenLifetime: "365 days", keepAlive: "120 days" }
}
