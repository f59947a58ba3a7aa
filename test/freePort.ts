import { createServer } from "node:net"

// Below what systems give to outgoing connections (RFC 6335 section 6, and Linux' wider range), so that none of these takes
// the port before who asked for it does; and each process begins elsewhere.
let next = 10_240 + (process.pid % 1_000) * 20

/** A port of the loopback that nobody listens on, and that is given to nobody else in this process. */
export const freePort = (): Promise<number> =>
  new Promise((found, failed) => {
    const port = next++
    const server = createServer()
    server.on("error", () => freePort().then(found, failed))
    server.listen(port, "127.0.0.1", () => server.close(() => found(port)))
  })
