import { Connection } from "jsforce"
import { plug } from "../harness/plug.js"
import { api, client } from "./tokens.js"

const salesforce = new Connection({
  instanceUrl: api,
  refreshFn: ({ accessToken }, done) => {
    const newer = client.reject(accessToken ?? "").then(() => client.token())
    newer.then((token) => done(null, token), done)
  }
})
const query = async (soql: string) => {
  salesforce.accessToken = await client.token()
  return salesforce.query(soql)
}

export default plug({
  call: async () => (await query("select Name from Account")).records,
  gives: [],
  refusal: "repaired",
  answer: () => ({ body: { totalSize: 0, done: true, records: [] } }),
  refuse: () => ({ status: 401, body: [{ errorCode: "INVALID_SESSION_ID", message: "Session expired or invalid" }] })
})
