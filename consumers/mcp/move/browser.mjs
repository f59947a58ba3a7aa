import { once } from "node:events"
import { createServer } from "node:http"

/** The address at which the browser comes back. */
export const comesBack = async (redirectUrl) => {
  const server = createServer().listen(Number(new URL(redirectUrl).port), "127.0.0.1")
  const [request, response] = await once(server, "request")
  response.end("You can close this window.")
  server.close()
  return new URL(request.url, redirectUrl)
}
