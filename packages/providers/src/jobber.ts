import type { Provider } from "./Provider.js"

/** Jobber. */
export const jobber: Provider = {
  id: "jobber",
  name: "Jobber",
  docs: [
    "https://developer.getjobber.com/docs/building_your_app/refresh_token_rotation/",
    "https://developer.getjobber.com/docs/building_your_app/app_authorization/"
  ],
  verified: "2026-11-30",
  notes: [
    "The lifetime stands in the token, a JWT",
    "With rotation, which published apps must have, a used refresh token is invalid at once"
  ],
  grants: ["authorization_code"],
  client: { authentication: "post" },
  token: { url: "https://api.getjobber.com/api/oauth/token" },
  authorize: { url: "https://api.getjobber.com/api/oauth/authorize" },
  answer: { expires: { jwt: "access_token" } },
  api: { url: "https://api.getjobber.com" }
}
