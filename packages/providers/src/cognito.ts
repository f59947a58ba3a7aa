import type { Provider } from "./Provider.js"

/** Amazon Cognito. */
export const cognito: Provider = {
  id: "cognito",
  name: "Amazon Cognito",
  docs: [
    "https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html"
  ],
  verified: "2026-11-30",
  notes: [
    "Rotation is a setting, with a grace period of up to 60 seconds: say it as `replayWindow`",
    "Without rotation a refresh answers without a refresh token"
  ],
  tenant: { domain: "[a-z0-9-]+\\.auth\\.[a-z0-9-]+\\.amazoncognito\\.com" },
  grants: ["authorization_code", "client_credentials"],
  client: { authentication: "basic" },
  token: { url: "https://{domain}/oauth2/token" },
  authorize: { url: "https://{domain}/oauth2/authorize" },
  revoke: "https://{domain}/oauth2/revoke"
}
