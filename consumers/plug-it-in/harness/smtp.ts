// A mail server that takes the newest token (XOAUTH2).
import { SMTPServer } from "smtp-server"
import { freePort } from "../../../test/freePort.js"
import { isGood } from "./far.js"
import type { Plug } from "./plug.js"

const port = await freePort()
const server = new SMTPServer({
  authMethods: ["XOAUTH2"],
  authOptional: false,
  disabledCommands: ["STARTTLS"],
  allowInsecureAuth: true,
  onAuth: ({ accessToken }, _, done) =>
    isGood(accessToken)
      ? done(null, { user: "app" })
      : done(null, { data: { status: "401", schemes: "bearer", scope: "mail" } }),
  onData: (stream, _, done) => void stream.on("end", () => done()).resume()
})

/** Where it is. */
export const mailServer = { host: "127.0.0.1", port, secure: false }

/** What a program whose far side is a mail server says. */
export const smtpSide: Pick<Plug, "start" | "stop"> = {
  start: async () => {
    await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening))
    return undefined
  },
  stop: () => new Promise<void>((closed) => server.close(closed))
}
