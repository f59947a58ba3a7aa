import { Redacted } from "@evertoken/core"
import { createTransport } from "nodemailer"
import { plug } from "../harness/plug.js"
import { mailServer, smtpSide } from "../harness/smtp.js"
import { client } from "./tokens.js"

const mail = createTransport({ ...mailServer, auth: { type: "OAuth2", user: "app@example.com" } })
mail.set("oauth2_provision_cb", (_user, renew, done) => {
  const token = renew ? client.reject().then(() => client.get()) : client.get()
  token.then(({ expiresAt, value }) => done(null, Redacted.value(value), expiresAt), done)
})

export default plug({
  call: async () => (await mail.sendMail({ from: "app@example.com", to: "ada@example.com", text: "hello" })).accepted,
  gives: ["ada@example.com"],
  refusal: "repaired",
  ...smtpSide
})
