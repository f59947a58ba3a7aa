import type { Provider } from "./Provider.js"

/** Google. */
export const google: Provider = {
  id: "google",
  name: "Google",
  docs: [
    "https://developers.google.com/identity/protocols/oauth2",
    "https://docs.gitguardian.com/secrets-detection/secrets-detection-engine/detectors/specifics/google_oauth2_refresh_token"
  ],
  verified: "2026-11-30",
  notes: [
    "A refresh answers without a refresh token",
    "A refresh token ends after 6 months without use, and after 7 days while the consent screen is in testing",
    "The number of live refresh tokens of a client and a person is limited: the oldest ends without a word",
    "With Gmail scopes, a changed password ends it"
  ],
  grants: ["authorization_code", "device_code"],
  client: { authentication: "post" },
  token: { url: "https://oauth2.googleapis.com/token" },
  authorize: {
    url: "https://accounts.google.com/o/oauth2/v2/auth",
    parameters: { access_type: "offline", prompt: "consent" }
  },
  device: { url: "https://oauth2.googleapis.com/device/code" },
  revoke: "https://oauth2.googleapis.com/revoke",
  traits: { keepAlive: "60 days" }
}
