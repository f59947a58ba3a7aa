import type { Provider } from "./Provider.js"

/** GitHub App, installation. */
export const githubInstallation: Provider = {
  id: "github-installation",
  name: "GitHub App, installation",
  docs: [
    "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app"
  ],
  verified: "2026-11-30",
  notes: ["`clientId` is the app's client id; each token is asked for with a JWT that its private key signs"],
  tenant: { installation: "\\d+" },
  secrets: ["privateKey"],
  values: {
    proof: { jwt: { key: "privateKey", algorithm: "RS256", claims: { iss: "{clientId}" }, lifetime: "9 minutes" } }
  },
  grants: ["login"],
  login: {
    url: "https://api.github.com/app/installations/{installation}/access_tokens",
    headers: { authorization: "Bearer {proof}", accept: "application/vnd.github+json" }
  },
  answer: { accessToken: "token", expires: { isoDate: "expires_at" } },
  api: { url: "https://api.github.com" }
}
