import type { Provider } from "./Provider.js"

/** Amazon Selling Partner. */
export const amazonSellingPartner: Provider = {
  id: "amazon-selling-partner",
  name: "Amazon Selling Partner",
  docs: [
    "https://developer-docs.amazon.com/sp-api/docs/connecting-to-the-selling-partner-api",
    "https://developer.amazon.com/docs/login-with-amazon/access-token.html"
  ],
  verified: "2026-11-30",
  notes: [
    "Tokens live for 60 minutes and have up to 2048 bytes; the header of the API is `x-amz-access-token`",
    "The code comes as `spapi_oauth_code`: exchange it yourself, and keep what you get"
  ],
  grants: ["refresh_token"],
  client: { authentication: "post" },
  token: { url: "https://api.amazon.com/auth/o2/token" },
  api: { header: "x-amz-access-token" }
}
