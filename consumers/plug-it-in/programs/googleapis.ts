import { OAuth2Client } from "google-auth-library"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const auth = new OAuth2Client({ forceRefreshOnFailure: true })
auth.refreshHandler = async () => {
  await client.reject(auth.credentials.access_token ?? "") // asked again, it was refused or ends within five minutes
  const { expiresAt = 0 } = await client.get({ minValidity: "6 minutes" })
  return { access_token: await client.token(), expiry_date: expiresAt }
}

export default plug({
  call: async () => (await auth.request({ url: `${api}/drive/v3/about` })).data,
  gives: { name: "Ada" },
  refusal: "repaired",
  answer: () => ({ body: { name: "Ada" } })
})
